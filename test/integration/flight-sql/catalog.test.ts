import assert from 'node:assert/strict';
import { test } from 'node:test';
import { skipWithoutPython } from '../../support/python.ts';
import { startServer } from '../../support/server.ts';
import { runSteps } from './python-steps.ts';

const skip = skipWithoutPython;

/** Commands about the catalog, as no Python client sends them one by one. */
const commands = `
def varint(n):
    out = b''
    while n > 127:
        out += bytes([n & 127 | 128]); n >>= 7
    return out + bytes([n])
def field(number, value):
    if isinstance(value, int): return varint(number << 3) + varint(value)
    if isinstance(value, str): value = value.encode()
    return varint(number << 3 | 2) + varint(len(value)) + value
client = fl.connect(url)
def ask(name, body=b''):
    command = field(1, 'type.googleapis.com/arrow.flight.protocol.sql.Command' + name) + field(2, body)
    info = client.get_flight_info(fl.FlightDescriptor.for_command(command))
    return client.do_get(info.endpoints[0].ticket).read_all()
def change(sql):
    info = client.get_flight_info(fl.FlightDescriptor.for_command(json.dumps({'sql': sql})))
    client.do_get(info.endpoints[0].ticket).read_all()
for sql in ['create schema zoo', 'create schema able',
            'create table zoo.b (id integer primary key, k integer unique)', 'create table able.z (n varchar)',
            'create table able.a (x integer, y integer, primary key (y, x))', 'create view able.m as select 1 as one',
            'create table zoo.refers (second integer references zoo.b (k), first integer references zoo.b (id))']:
    change(sql)
def rows(name, body=b'', *columns):
    table = ask(name, body)
    return [[row[column] for column in columns or table.schema.names] for row in table.to_pylist()]
`;

test('the catalog comes in the order of the specification', { skip }, async (t) => {
  const server = await startServer(t);
  const steps = await runSteps(
    server.flightUrl,
    `${commands}
step('catalogs', lambda: rows('GetCatalogs'))
step('schemas', lambda: rows('GetDbSchemas'))
step('tables', lambda: rows('GetTables', field(1, 'test'), 'db_schema_name', 'table_name'))
step('table types', lambda: rows('GetTableTypes'))
step('primary', lambda: rows('GetPrimaryKeys', field(3, 'a'), 'column_name', 'key_sequence'))
step('imported', lambda: rows('GetImportedKeys', field(3, 'refers'), 'pk_column_name', 'fk_column_name', 'pk_key_name'))
step('exported', lambda: rows('GetExportedKeys', field(3, 'b'), 'fk_column_name'))
step('types', lambda: rows('GetXdbcTypeInfo', b'', 'data_type', 'type_name'))
step('texts', lambda: rows('GetXdbcTypeInfo', field(1, 12), 'type_name'))
`,
  );
  const sorted = (name: string) => {
    const rows = steps.value(name) as (string | number)[][];
    const compare = (a: (string | number)[], b: (string | number)[]) => {
      const at = a.findIndex((value, index) => value !== b[index]);
      return at < 0 ? 0 : (a[at] ?? '') < (b[at] ?? '') ? -1 : 1;
    };
    assert.deepEqual(rows, rows.toSorted(compare), name);
    return rows;
  };
  assert.ok(sorted('catalogs').length >= 2);
  assert.ok(sorted('schemas').length >= 4);
  assert.deepEqual(sorted('tables'), [
    ['able', 'a'],
    ['able', 'm'],
    ['able', 'z'],
    ['zoo', 'b'],
    ['zoo', 'refers'],
  ]);
  assert.deepEqual(sorted('table types'), [['LOCAL TEMPORARY'], ['TABLE'], ['VIEW']]);
  assert.deepEqual(steps.value('primary'), [
    ['y', 1],
    ['x', 2],
  ]);
  const imported = steps.value('imported') as (string | null)[][];
  assert.deepEqual(imported.map(([primary, foreign]) => `${primary} ${foreign}`).sort(), [
    'id first',
    'k second',
  ]);
  const keys = imported.map(([, , key]) => key ?? '');
  assert.deepEqual(keys, keys.toSorted());
  assert.equal((steps.value('exported') as unknown[]).length, 2);
  const types = sorted('types').map(([, name]) => name);
  for (const name of ['UUID', 'JSON', 'BIT', 'UHUGEINT', 'TIMESTAMP_S', 'TIME WITH TIME ZONE'])
    assert.ok(types.includes(name), name);
  assert.deepEqual(steps.value('texts'), [['VARCHAR']]);
});

test('every type that the server tells of makes a column, and every function it names is there', {
  skip,
}, async (t) => {
  const server = await startServer(t);
  const steps = await runSteps(
    server.flightUrl,
    `${commands}
def make():
    names = [name for [name] in rows('GetXdbcTypeInfo', b'', 'type_name')]
    change('create table every (' + ', '.join(f'c{i} {name}' for i, name in enumerate(names)) + ')')
    return len(ask('GetXdbcTypeInfo')) - len(client.get_schema(fl.FlightDescriptor.for_path('every')).schema)
step('left out', make)
info = {row['info_name']: row['value'] for row in ask('GetSqlInfo').to_pylist()}
def missing():
    words = {'CURRENT_DATE'}
    named = [name for code in (509, 510, 511, 512) for name in info[code]]
    found = []
    for name in named:
        try:
            change('select ' + (name if name in words else name + '()'))
        except Exception as error:
            if 'does not exist' in str(error) or 'QUERY_FORBIDDEN' in str(error): found.append(name)
    return found
step('missing', missing)
step('prepared', lambda: info[100])
`,
  );
  assert.equal(steps.value('left out'), 0);
  assert.deepEqual(steps.value('missing'), []);
  assert.equal(steps.value('prepared'), 3_600_000, 'how long prepared statements may go unused');
});
