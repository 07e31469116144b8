import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Ledger, type LedgerEntry } from '../../src/storage/ledger.ts'

function add(ledger: Ledger, id: string, epoch = 1): LedgerEntry {
  return ledger.add({ id, epoch }, 'w', undefined)
}

const ids = (claims: readonly { readonly id: string }[]): string[] => claims.map(({ id }) => id)

test('a claim that the answer lacks is revoked', () => {
  const ledger = new Ledger()
  add(ledger, 'a')
  add(ledger, 'b', 1)
  const view = ledger.beatBegins()
  const { revoked, unknown } = ledger.compare(view, [{ id: 'a', epoch: 1 }])
  assert.deepEqual(ids(revoked), ['b'])
  assert.deepEqual(unknown, [])
})

test('a claim that the answer has under another epoch is revoked', () => {
  const ledger = new Ledger()
  add(ledger, 'a')
  const { revoked } = ledger.compare(ledger.beatBegins(), [{ id: 'a', epoch: 2 }])
  assert.deepEqual(ids(revoked), ['a'])
})

test('whatever changed while the beat was under way is left out', () => {
  const ledger = new Ledger()
  const settled = add(ledger, 'settled')
  const carried = add(ledger, 'carried')
  const ended = add(ledger, 'ended')
  const view = ledger.beatBegins()
  add(ledger, 'new')
  carried.carried = true
  settled.carried = true
  ledger.remove(settled)
  ledger.remove(ended)
  const { revoked, unknown } = ledger.compare(view, [
    { id: 'settled', epoch: 1 },
    { id: 'ended', epoch: 1 },
  ])
  assert.deepEqual(revoked, [])
  assert.deepEqual(unknown, [])
})

test('a claim that a settle has carried is never revoked', () => {
  const ledger = new Ledger()
  add(ledger, 'a').carried = true
  assert.deepEqual(ledger.compare(ledger.beatBegins(), []).revoked, [])
})

test('a claim that nobody knows is released at once when no claim call was open', () => {
  const ledger = new Ledger()
  const call = ledger.callBegins()
  ledger.callEnds(call)
  const { unknown } = ledger.compare(ledger.beatBegins(), [{ id: 'lost', epoch: 3 }])
  assert.deepEqual(unknown, [{ id: 'lost', epoch: 3 }])
})

test('a claim that an open call may still bring is released by a later beat only', () => {
  const ledger = new Ledger()
  const call = ledger.callBegins()
  const lost = [{ id: 'lost', epoch: 3 }]
  assert.deepEqual(ledger.compare(ledger.beatBegins(), lost).unknown, [])
  // Still open.
  assert.deepEqual(ledger.compare(ledger.beatBegins(), lost).unknown, [])
  ledger.callEnds(call)
  // Another call is open by now, but it cannot bring what was claimed before it began.
  ledger.callBegins()
  assert.deepEqual(ledger.compare(ledger.beatBegins(), lost).unknown, lost)
})

test('a claim call that begins during the beat protects what it may bring', () => {
  const ledger = new Ledger()
  const view = ledger.beatBegins()
  const call = ledger.callBegins()
  const answer = [{ id: 'a', epoch: 1 }]
  assert.deepEqual(ledger.compare(view, answer).unknown, [])
  add(ledger, 'a')
  ledger.callEnds(call)
  const later = ledger.compare(ledger.beatBegins(), answer)
  assert.deepEqual(later.unknown, [])
  assert.deepEqual(later.revoked, [])
})

test('the end of an older claim does not remove the newer one of the same task', () => {
  const ledger = new Ledger()
  const older = add(ledger, 'a')
  older.carried = true
  add(ledger, 'a', 2)
  assert.equal(ledger.remove(older), true)
  assert.equal(ledger.remove(older), false)
  assert.equal(ledger.has('a'), true)
  assert.deepEqual(ids(ledger.compare(ledger.beatBegins(), []).revoked), ['a'])
})
