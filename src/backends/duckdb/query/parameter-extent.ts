import { MAX_PARAMETER_VALUES } from '../../../core/query.ts';
import { ArrowportError } from '../../../errors.ts';

/** Lists and objects within each other. */
const MAX_DEPTH = 64;

/** Counts the values of the parameters of one run, those in lists and objects too. */
export class ParameterExtent {
  #values = 0;

  /** Counts one more. Throws BODY_TOO_LARGE. */
  add(): void {
    this.#values += 1;
    this.expect(0);
  }

  /** Refuses what is known to bring too many. Throws BODY_TOO_LARGE. */
  expect(values: number): void {
    if (this.#values + values <= MAX_PARAMETER_VALUES) return;
    throw new ArrowportError(
      'BODY_TOO_LARGE',
      `The parameters have more than ${MAX_PARAMETER_VALUES} values, those in lists counted: load them as a table and join it.`,
    );
  }

  /** Throws QUERY_INVALID for what is nested too deep. */
  refuseDepth(depth: number): void {
    if (depth <= MAX_DEPTH) return;
    throw new ArrowportError('QUERY_INVALID', `A parameter is nested more than ${MAX_DEPTH} deep.`);
  }
}
