import type { QueryEngine } from '../../core/query.ts';
import { toArrowportError } from '../../errors.ts';
import type { FlightCall } from '../flight/call-context.ts';
import { descriptorType, type FlightDescriptor, type FlightInfoMessage } from '../flight/messages.ts';
import { quoteName } from './plain-descriptor.ts';
import { type DescribedRows, queryContext } from './statement-reader.ts';

/** Makes the info of described rows. */
export type InfoMaker = (
  rows: DescribedRows,
  descriptor: FlightDescriptor,
  call: FlightCall,
) => FlightInfoMessage;

const NO_BYTES = new Uint8Array(0);
const DELTA_CATALOG = 'delta';

/**
 * Lists the tables that the caller may read, each as PATH `[schema, table]`, which for Delta is `["delta", table]`. An
 * expression is a text that the name must have in it.
 */
export async function* listTableFlights(
  expression: Uint8Array,
  call: FlightCall,
  engine: QueryEngine,
  createInfo: InfoMaker,
): AsyncGenerator<FlightInfoMessage> {
  const wanted = Buffer.from(expression).toString();
  const context = queryContext(call);
  for (const table of await engine.listTables(context)) {
    const path = [table.catalog === DELTA_CATALOG ? DELTA_CATALOG : table.schema, table.name];
    if (table.kind === 'temporary' || !path.join('.').includes(wanted)) continue;
    try {
      const schema = await engine.describeTable(table, context);
      const place = { transaction: null, session: null };
      const content = { kind: 'statement', sql: `SELECT * FROM ${quoteName(path)}`, place } as const;
      yield createInfo(
        { schema, contents: [content], rows: -1, bytes: -1 },
        { type: descriptorType.PATH, cmd: NO_BYTES, path },
        call,
      );
    } catch (thrown) {
      // A table that was dropped since, or cannot be read, is not one to show.
      if (toArrowportError(thrown).code === 'INTERNAL' || call.signal.aborted) throw thrown;
    }
  }
}
