import { requireStream } from '../../../core/auth.ts';
import { ArrowportError } from '../../../errors.ts';
import { foldCase, quoteIdentifier, quoteText } from '../identifier.ts';
import { internalSchema } from '../table-catalog.ts';
import { EditedSql } from './edited-sql.ts';
import { holdsPath, isTable, looksLikeFile } from './file-names.ts';
import type { GateContext } from './gate-context.ts';
import { findListing, findShow, findStandardListing, type HiddenObjects } from './metadata-views.ts';
import { findQualifiedColumns } from './qualified-columns.ts';
import { positionOf } from './query-error.ts';
import type { RelationRequest } from './relation-source.ts';
import { firstSqlTokens, readSqlTokens, type SqlToken } from './sql-tokens.ts';
import { withoutEnd } from './statement-text.ts';
import {
  type FunctionReference,
  readReferences,
  type StatementReferences,
  type TableReference,
} from './statement-tree.ts';
import { findConditions } from './table-conditions.ts';
import { findColumn, findNamingSubqueries } from './unnamed-columns.ts';

const maxNameCharacters = 200;

/** Words that a table's name may follow as well as a SELECT; TABLE besides. */
const takesName: ReadonlySet<string> = new Set(['describe', 'desc', 'show', 'summarize']);

/** Catalogs that no statement may name: those of running loads, and DuckDB's own. */
const closedCatalogs: ReadonlySet<string> = new Set(['memory', 'system']);

/**
 * Checks everything that a SELECT reaches, and puts listings that leave the server's own objects out in the place of
 * DuckDB's. Throws QUERY_FORBIDDEN, TABLE_NOT_FOUND, FORBIDDEN.
 */
export async function admitSelect(sql: string, tree: unknown, context: GateContext): Promise<EditedSql> {
  const gate = new SelectGate(sql, tree, context);
  await gate.check();
  return gate.edited;
}

class SelectGate {
  readonly edited: EditedSql;
  readonly #sql: string;
  readonly #tree: unknown;
  readonly #references: StatementReferences;
  readonly #context: GateContext;
  #hidden: HiddenObjects | null = null;
  #tokens: readonly SqlToken[] | null = null;
  /** Where something else stands than the client has written: bytes of the statement. */
  readonly #replacedAt = new Set<number>();
  /** Tables in whose place subqueries stand. */
  readonly #fromSources = new Set<TableReference>();

  constructor(sql: string, tree: unknown, context: GateContext) {
    this.edited = new EditedSql(sql);
    this.#sql = sql;
    this.#tree = tree;
    this.#references = readReferences(tree);
    this.#context = context;
  }

  async check(): Promise<void> {
    const { shows, functions, tables } = this.#references;
    for (const call of functions) await this.#checkFunction(call);
    for (const table of tables) await this.#checkTable(table);
    this.#shortenColumns(tables);
    if (shows.length > 0) await this.#replaceShow(shows);
    this.#nameColumns();
  }

  /** What a source of tables is told of the statement's run. */
  get #run(): Pick<RelationRequest, 'part' | 'onEnd'> {
    const { part, onEnd } = this.#context;
    return part === undefined ? { onEnd } : { part, onEnd };
  }

  async #checkFunction(call: FunctionReference): Promise<void> {
    const { rules, relations, caller } = this.#context;
    const source = call.isTable ? relations.find(({ functions }) => functions.has(call.name)) : undefined;
    if (source !== undefined) {
      const { name, node } = call;
      const conditions = findConditions(this.#tree, call.location);
      const text = await source.resolve({
        kind: 'function',
        name,
        call: node,
        caller,
        conditions,
        statement: this,
        ...this.#run,
      });
      this.#replaceCall(call, text);
      return;
    }
    if (call.isTable) {
      const listing = findListing(call.name, await this.#hiddenObjects());
      if (listing !== null) {
        this.#replaceCall(call, listing);
        return;
      }
    }
    if (rules.isForbiddenFunction(call.name, call.isTable)) {
      throw this.#forbidden(`The function ${call.name} may not be called here.`, call.location);
    }
    this.#checkMacro(call);
  }

  /** A macro reads what it was made to read: like a view, it is for those who may use its name. */
  #checkMacro({ name, node }: FunctionReference): void {
    const { caller, rules, schema: defaultSchema } = this.#context;
    if (caller.isUnrestricted || rules.isOwnFunction(name)) return;
    const given =
      typeof node['schema'] === 'string' && node['schema'] !== '' ? node['schema'] : defaultSchema;
    const schema = foldCase(given) === foldCase(rules.catalog) ? 'main' : given;
    requireStream(caller, foldCase(schema) === 'main' ? name : `${schema}.${name}`);
  }

  async #checkTable(table: TableReference): Promise<void> {
    const catalog = foldCase(table.catalog ?? '');
    const schema = foldCase(table.schema ?? '');
    if ([catalog, schema].some((name) => name.startsWith(internalSchema) || closedCatalogs.has(name))) {
      throw this.#forbidden('The statement names objects that the server keeps for itself.', table.location);
    }
    if (schema === 'pg_catalog') {
      throw this.#forbidden('pg_catalog is not open here; use information_schema.', table.location);
    }
    if (schema === 'information_schema') return this.#replaceStandardView(table);
    const source = this.#context.relations.find((each) => foldCase(each.catalog) === (catalog || schema));
    if (source !== undefined) {
      const conditions = findConditions(this.#tree, table.location);
      const { caller } = this.#context;
      const text = await source.resolve({
        kind: 'table',
        name: table.name,
        caller,
        conditions,
        statement: this,
        ...this.#run,
      });
      this.#replaceTable(table, text);
      this.#fromSources.add(table);
      return;
    }
    // DuckDB finds its own views in its own "main" where the file's has none of the name.
    const isMain = schema === '' || schema === 'main';
    if (isMain && this.#context.rules.isOwnView(table.name)) return this.#replaceOwnView(table);
    this.#checkName(table);
    if (looksLikeFile(table)) await this.#refuseFile(table);
  }

  /** Names that callers may not use, and tables that no load has committed yet. */
  #checkName(table: TableReference): void {
    const { caller, pending, schema: defaultSchema, rules } = this.#context;
    const given = table.schema ?? defaultSchema;
    const schema = table.catalog === null && foldCase(given) === foldCase(rules.catalog) ? 'main' : given;
    const name = foldCase(schema) === 'main' ? table.name : `${schema}.${table.name}`;
    const isLocal = table.schema === null && this.#references.localNames.has(table.name.toLowerCase());
    if (!isLocal && isPending(pending, schema, table.name)) {
      throw new ArrowportError('TABLE_NOT_FOUND', `There is no table ${JSON.stringify(name)}.`, {
        details: this.#at(table.location),
      });
    }
    if (caller.isUnrestricted || caller.mayUseStream(name)) return;
    if (isLocal) {
      throw this.#forbidden(
        `A common table expression needs a name that ${JSON.stringify(caller.name)} may use.`,
        table.location,
      );
    }
    throw new ArrowportError(
      'FORBIDDEN',
      `${JSON.stringify(caller.name)} may not read ${JSON.stringify(name)}.`,
    );
  }

  /** DuckDB would read a table that is not there as a file of that name, also where the name has several parts. */
  async #refuseFile(table: TableReference): Promise<void> {
    const { name, schema, location } = table;
    // A common table expression is known in its own part of the statement alone.
    const isLocal = schema === null && this.#references.localNames.has(name.toLowerCase());
    if (isLocal && !holdsPath(name)) return;
    if (await isTable(this.#context.connection, table)) return;
    throw this.#forbidden(`There is no table ${JSON.stringify(name)}, and SQL reads no files.`, location);
  }

  async #replaceStandardView(table: TableReference): Promise<void> {
    const listing = findStandardListing(foldCase(table.name), await this.#hiddenObjects());
    if (listing === null) {
      throw this.#forbidden(`information_schema.${table.name} is not open here.`, table.location);
    }
    this.#replaceTable(table, listing);
  }

  async #replaceOwnView(table: TableReference): Promise<void> {
    const listing = findListing(foldCase(table.name), await this.#hiddenObjects());
    if (listing === null || this.#references.localNames.has(foldCase(table.name))) {
      throw this.#forbidden(`${table.name} belongs to DuckDB and is not open here.`, table.location);
    }
    this.#replaceTable(table, listing);
  }

  async #replaceShow(shows: readonly string[]): Promise<void> {
    const [what = ''] = shows;
    const { sql } = this;
    const text = shows.length === 1 ? findShow(what, sql, await this.#hiddenObjects()) : null;
    const [first] = firstSqlTokens(this.#sql, 1);
    if (text === null || !/^(show|describe|desc)$/.test(first?.value ?? '')) {
      throw this.#forbidden('Only tables, and what they are made of, are shown here.', null);
    }
    this.edited.replace(0, Buffer.byteLength(this.#sql), text);
  }

  /** Without its end mark, so that it can stand in parentheses. */
  get sql(): string {
    return withoutEnd(this.#sql);
  }

  /** Columns without names are named as the client has written them: DuckDB would name them as they are now. */
  #nameColumns(): void {
    if (this.#replacedAt.size === 0) return;
    for (const location of findNamingSubqueries(this.#tree, this.#replacedAt)) {
      const { all, index } = this.#tokensAround(location);
      const column = findColumn(all, index);
      const [first, last] = [all[column?.start ?? -1], all[(column?.end ?? 0) - 1]];
      if (first === undefined || last === undefined) throw unreadable();
      const text = this.#sql.slice(first.start, last.end).replace(/\s+/g, ' ');
      const name = text.length > maxNameCharacters ? `${text.slice(0, maxNameCharacters)}…` : text;
      this.#replaceSpan(last.end, last.end, ` AS ${quoteIdentifier(name.toWellFormed())}`);
    }
  }

  #replaceTable(table: TableReference, text: string): void {
    if (table.location !== null) this.#replacedAt.add(table.location);
    const { tokens, before } = this.#tokensAround(table.location);
    let count = 1;
    while (tokens[count]?.value === '.' && tokens[count]?.kind === 'symbol') count += 2;
    const named = table.alias === null ? `${text} AS ${quoteIdentifier(table.name)}` : text;
    // Where a name may stand without a FROM, a subquery may not.
    if (before?.kind === 'word' && before.value === 'table')
      this.#replace([before, ...tokens], count + 1, `SELECT * FROM ${named}`);
    else if (before?.kind === 'word' && takesName.has(before.value))
      this.#replace(tokens, count, `SELECT * FROM ${named}`);
    else this.#replace(tokens, count, named);
  }

  /** "delta.events.id" becomes "events.id", since what stands in the place of the table has no schema. */
  #shortenColumns(tables: readonly TableReference[]): void {
    const others = tables.filter((table) => !this.#fromSources.has(table));
    for (const { location, qualifiers } of findQualifiedColumns(this.#tree, [...this.#fromSources], others)) {
      const { tokens } = this.#tokensAround(location);
      const last = tokens[2 * qualifiers];
      if (last === undefined) throw unreadable();
      this.#replaceSpan(tokens[0]?.start ?? 0, last.start, '');
    }
  }

  #replaceCall(call: FunctionReference, text: string): void {
    if (call.location !== null) this.#replacedAt.add(call.location);
    const { tokens } = this.#tokensAround(call.location);
    let count = 0;
    let depth = 0;
    do {
      const token = tokens[count];
      if (token?.kind === 'symbol' && token.value === '(') depth += 1;
      if (token?.kind === 'symbol' && token.value === ')') depth -= 1;
      count += 1;
    } while (count < tokens.length && (depth > 0 || tokens[count - 1]?.value !== ')'));
    this.#replace(tokens, count, call.alias === null ? `${text} AS ${quoteIdentifier(call.name)}` : text);
  }

  #replace(tokens: readonly SqlToken[], count: number, text: string): void {
    const first = tokens[0];
    const last = tokens[count - 1];
    if (first === undefined || last === undefined) throw unreadable();
    this.#replaceSpan(first.start, last.end, text);
  }

  #replaceSpan(start: number, end: number, text: string): void {
    const bytes = (at: number) => Buffer.byteLength(this.#sql.slice(0, at));
    this.edited.replace(bytes(start), bytes(end), text);
  }

  /** The tokens from a byte on, and the one before them. */
  #tokensAround(location: number | null): {
    readonly tokens: readonly SqlToken[];
    readonly before: SqlToken | undefined;
    readonly all: readonly SqlToken[];
    readonly index: number;
  } {
    this.#tokens ??= readSqlTokens(this.#sql);
    if (location === null || this.#tokens === null) throw unreadable();
    const start = Buffer.from(this.#sql, 'utf8').subarray(0, location).toString('utf8').length;
    const index = this.#tokens.findIndex((token) => token.start === start);
    if (index < 0) throw unreadable();
    const all = this.#tokens;
    return { tokens: all.slice(index), before: all[index - 1], all, index };
  }

  async #hiddenObjects(): Promise<HiddenObjects> {
    if (this.#hidden !== null) return this.#hidden;
    const { rules, pending, caller, connection } = this.#context;
    const hidden = pending.map(({ schema, name }) => ({ schema: schema ?? 'main', name }));
    if (!caller.isUnrestricted) {
      const reader = await connection.runAndReadAll(
        `SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = ${quoteText(rules.catalog)}
         UNION ALL SELECT schema_name, view_name FROM duckdb_views() WHERE database_name = ${quoteText(rules.catalog)} AND NOT internal`,
      );
      for (const [schema, name] of reader.getRows().map((row) => row.map(String))) {
        if (schema === undefined || name === undefined) continue;
        if (!caller.mayUseStream(schema === 'main' ? name : `${schema}.${name}`))
          hidden.push({ schema, name });
      }
    }
    this.#hidden = { catalog: rules.catalog, tables: hidden };
    return this.#hidden;
  }

  #forbidden(text: string, location: number | null): ArrowportError {
    return new ArrowportError('QUERY_FORBIDDEN', text, { details: this.#at(location) });
  }

  #at(location: number | null): { position?: number } {
    return location === null ? {} : { position: positionOf(this.#sql, location) };
  }
}

function isPending(pending: GateContext['pending'], schema: string, name: string): boolean {
  return pending.some(
    (table) =>
      foldCase(table.name) === foldCase(name) && foldCase(table.schema ?? 'main') === foldCase(schema),
  );
}

function unreadable(): ArrowportError {
  return new ArrowportError('QUERY_FORBIDDEN', 'The statement is written in a way that is not open here.');
}
