/** Exit codes of every command. */
export const exitCodes = { done: 0, refused: 1, usage: 2, unreachable: 3 } as const;

export type FailureKind = 'refused' | 'usage' | 'unreachable';

/** An RFC 9457 problem, from the server or made here; `--json` prints it as it is. */
export type Problem = Readonly<Record<string, unknown>>;

/**
 * Ends a command: `message` becomes its one line on standard error, `kind` its exit code.
 * `label` is the line's first word; `problem` is what `--json` prints in the line's place.
 */
export class CliFailure extends Error {
  readonly kind: FailureKind;
  readonly label: string;
  readonly problem: Problem;

  constructor(
    kind: FailureKind,
    message: string,
    options: { label?: string; problem?: Problem; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'CliFailure';
    this.kind = kind;
    this.label = options.label ?? (kind === 'refused' ? 'error' : kind);
    this.problem = options.problem ?? {
      type: 'about:blank',
      title: titles[kind],
      code: kind.toUpperCase(),
      detail: message,
    };
  }

  get exitCode(): number {
    return exitCodes[this.kind];
  }
}

const titles: Record<FailureKind, string> = {
  refused: 'The command could not be carried out',
  usage: 'The command line is not valid',
  unreachable: 'The server cannot be reached',
};

/** Ends a command whose findings are already printed, with exit code 1. */
export class CommandRefused extends Error {
  readonly exitCode = exitCodes.refused;
}
