/** The environment that `${NAME}` and the overrides read from. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** What a text became; `offset` counts from the start of the text. Messages never hold a variable's value. */
export type Substitution =
  | { readonly kind: 'unchanged' }
  | { readonly kind: 'replaced'; readonly text: string }
  | { readonly kind: 'failed'; readonly reference: string; readonly message: string };

const reference = /\$?\$\{([^}]*)(\}?)/g;
const content = /^([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/s;

/**
 * Replaces `${NAME}` by the variable and `${NAME:-text}` by the text where the variable is unset or empty;
 * `$${` stands for `${`. A variable that is unset and has no default fails.
 */
export function substituteVariables(text: string, environment: Environment): Substitution {
  if (!text.includes('${')) return { kind: 'unchanged' };
  let failure: Substitution | undefined;
  const fail = (whole: string, message: string) => {
    failure ??= { kind: 'failed', reference: whole, message };
    return '';
  };
  const replaced = text.replace(reference, (whole: string, inner: string, close: string) => {
    if (whole.startsWith('$$')) return whole.slice(1);
    const parts = close === '' ? null : content.exec(inner);
    if (parts === null)
      return fail(whole, `expected \${NAME} or \${NAME:-default}; write $\${ for a literal \${`);
    const [, name = '', fallback] = parts;
    if (fallback?.includes('${')) return fail(whole, `a default may not hold another \${…}`);
    const value = environment[name];
    if (fallback !== undefined) return value === undefined || value === '' ? fallback : value;
    return (
      value ??
      fail(whole, `the environment variable ${name} is not set; set it or write \${${name}:-default}`)
    );
  });
  return failure ?? { kind: 'replaced', text: replaced };
}
