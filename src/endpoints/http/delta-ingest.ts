import { type OptionValues, readMergeClauses } from '../../core/delta-options.ts';
import type { IngestRequest } from '../../core/ingest.ts';
import { findQueryChoice, findQueryNames, findQueryText } from './delta-query.ts';
import type { IngestDoor } from './ingest-routes.ts';
import { readBareJsonBatch } from './json-body.ts';

/** `POST /delta/{table}`: a load into the Delta table of the path, whatever the routes say. */
export const deltaIngestDoor: IngestDoor = {
  queryNames: ['mode', 'partition_by', 'schema_mode', 'predicate'],
  readRequest: (table, query) => ({
    backend: 'delta',
    deltaTable: table,
    mode: findQueryChoice(query, 'mode', ['append', 'overwrite']) ?? null,
    partitionBy: findQueryNames(query, 'partition_by') ?? null,
    schemaMode: findQueryChoice(query, 'schema_mode', ['strict', 'merge', 'overwrite']) ?? null,
    ...readPredicate(query),
  }),
  readJson: readBareJsonBatch,
};

/** `POST /delta/{table}/merge`: the rows of the body meet those of the table by key columns. */
export const deltaMergeDoor: IngestDoor = {
  queryNames: ['on', 'when_matched', 'when_not_matched', 'schema_mode'],
  readRequest: (table, query) => ({
    backend: 'delta',
    deltaTable: table,
    mode: 'merge',
    merge: readMergeClauses({
      on: findQueryNames(query, 'on'),
      when_matched: findQueryText(query, 'when_matched'),
      when_not_matched: findQueryText(query, 'when_not_matched'),
    }),
    schemaMode: findQueryChoice(query, 'schema_mode', ['strict', 'merge']) ?? null,
  }),
  readJson: readBareJsonBatch,
};

function readPredicate(query: OptionValues): Pick<IngestRequest, 'replacePredicate'> {
  const replacePredicate = findQueryText(query, 'predicate');
  return replacePredicate === undefined ? {} : { replacePredicate };
}
