const ANY_TEXT = Symbol('%');
const ANY_CHARACTER = Symbol('_');

type Part = string | typeof ANY_TEXT | typeof ANY_CHARACTER;

/**
 * Whether a name fits a pattern of SQL's LIKE (`%`, `_`, and `\` before one that is meant as such). Without a pattern
 * every name does. Takes no more steps than the product of both lengths.
 */
export function matchesLike(name: string, pattern: string | undefined): boolean {
  if (pattern === undefined) return true;
  const parts = parse(pattern);
  const characters = [...name];
  let at = 0;
  let part = 0;
  // The last `%`, and where the text that it stands for ends so far: one character more each time the rest does not fit.
  let open = -1;
  let openEnd = 0;
  while (at < characters.length) {
    const wanted = parts[part];
    if (wanted === ANY_TEXT) {
      open = part++;
      openEnd = at;
    } else if (wanted === ANY_CHARACTER || wanted === characters[at]) {
      part++;
      at++;
    } else if (open >= 0) {
      part = open + 1;
      at = ++openEnd;
    } else {
      return false;
    }
  }
  return parts.slice(part).every((rest) => rest === ANY_TEXT);
}

function parse(pattern: string): readonly Part[] {
  const parts: Part[] = [];
  let escaped = false;
  for (const character of pattern) {
    if (!escaped && character === '\\') {
      escaped = true;
      continue;
    }
    if (escaped || (character !== '%' && character !== '_')) parts.push(character);
    else parts.push(character === '%' ? ANY_TEXT : ANY_CHARACTER);
    escaped = false;
  }
  return parts;
}
