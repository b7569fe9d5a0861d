import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTicketOffice, type TicketContent } from '../../../src/endpoints/flight-sql/tickets.ts';

const content: TicketContent = { kind: 'kept', id: 'rows' };
const invalid = { code: 'TICKET_INVALID' };

test('a ticket opens for its caller until its end, and not a moment longer', () => {
  let now = 1_000_000;
  const office = createTicketOffice(
    () => 5000,
    () => now,
  );
  const { ticket, expiresAt } = office.issue(content, 'ann');
  assert.equal(expiresAt, 1_005_000);
  now = 1_004_999;
  assert.deepEqual(office.open(ticket, 'ann').content, content);
  assert.throws(() => office.open(ticket, 'bob'), invalid);
  const renewed = office.renew(ticket, 'ann');
  now = 1_005_000;
  assert.throws(() => office.open(ticket, 'ann'), invalid);
  assert.deepEqual(office.open(renewed.ticket, 'ann').content, content);
});

test('no changed byte, no cut and no other server’s ticket opens', () => {
  const office = createTicketOffice(() => 5000);
  const { ticket } = office.issue(content, 'ann');
  for (let position = 0; position < ticket.length; position++) {
    const forged = Uint8Array.from(ticket);
    forged[position] = (forged[position] ?? 0) ^ 1;
    assert.throws(() => office.open(forged, 'ann'), invalid);
    assert.throws(() => office.open(ticket.subarray(0, position), 'ann'), invalid);
  }
  assert.throws(() => createTicketOffice(() => 5000).open(ticket, 'ann'), invalid);
});

test('a cancelled ticket takes its renewals with it', () => {
  const office = createTicketOffice(() => 5000);
  const { ticket } = office.issue(content, 'ann');
  const renewed = office.renew(ticket, 'ann');
  assert.throws(() => office.cancel(ticket, 'bob'), invalid);
  office.cancel(ticket, 'ann');
  assert.throws(() => office.open(ticket, 'ann'), invalid);
  assert.throws(() => office.open(renewed.ticket, 'ann'), invalid);
});
