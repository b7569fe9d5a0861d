/** A fenced block of a Markdown page. */
export interface Snippet {
  readonly language: string;
  readonly text: string;
  /** 1-based line of the opening fence. */
  readonly line: number;
  /**
   * What an HTML comment directly above asks for: `<!-- not run: why -->` or `<!-- first: stop the server -->`
   * or `<!-- first: serve FILE -->`.
   */
  readonly directive: { readonly kind: 'not run' | 'first'; readonly text: string } | undefined;
}

/** The fenced blocks of a page, in order. An unclosed fence is an error. */
export function readSnippets(markdown: string): readonly Snippet[] {
  const lines = markdown.split('\n');
  const snippets: Snippet[] = [];
  for (let index = 0; index < lines.length; index += 1) {
    const language = /^```(\w*)/.exec(lines[index] ?? '')?.[1];
    if (language === undefined) continue;
    const end = lines.findIndex((line, at) => at > index && line.startsWith('```'));
    if (end < 0) throw new Error(`The block at line ${index + 1} has no end.`);
    const text = `${lines.slice(index + 1, end).join('\n')}\n`;
    snippets.push({ language, text, line: index + 1, directive: readDirective(lines, index) });
    index = end;
  }
  return snippets;
}

function readDirective(lines: readonly string[], fence: number): Snippet['directive'] {
  let above = fence - 1;
  while (above >= 0 && lines[above]?.trim() === '') above -= 1;
  const match = /^<!-- (not run|first): (.+) -->$/.exec(lines[above]?.trim() ?? '');
  if (match?.[1] === undefined || match[2] === undefined) return undefined;
  return { kind: match[1] === 'first' ? 'first' : 'not run', text: match[2] };
}
