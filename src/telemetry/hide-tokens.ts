/** What stands where a secret was. */
export const HIDDEN = '[redacted]';

/** The text without the bearer tokens in it: whatever follows `Bearer`, tokens of Arrowport's own form, and JSON Web Tokens. */
export function hideTokens(text: string): string {
  return text
    .replace(/\b(Bearer\s+)[A-Za-z0-9._~+/=-]+/gi, `$1${HIDDEN}`)
    .replace(/\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]+/g, HIDDEN)
    .replace(/\barrowport_[A-Za-z0-9_-]{43}/g, HIDDEN);
}
