/** The library door: what programs that embed the server may use. */
export {
  type Arrowport,
  type ArrowportAddress,
  type ArrowportOptions,
  createArrowport,
} from './arrowport.ts';
export { type SetupOptions, setUpDeltaWorker } from './composition/setup.ts';
export type { Config } from './config/schema.ts';
export type { CommitReceipt } from './core/receipt.ts';
export { ArrowportError, type ErrorCode, type ErrorDetails, type Outcome } from './errors.ts';
