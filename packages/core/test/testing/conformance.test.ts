import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MemoryStore } from '../../src/storage/memory/memory-store.ts'
import { conformance } from '../../src/testing/conformance/index.ts'
import type { Case, ConformanceOptions } from '../../src/testing/harness.ts'
import { memoryHarness as harness } from '../conformance/harnesses.ts'

const without = { transactions: 'it has none', producer: 'nobody else can open it' }

/** What JavaScript may pass. */
function untyped(options: unknown): readonly Case[] {
  return conformance(options as ConformanceOptions)
}

test('every case has a name of its own, which begins with its subject', () => {
  const cases = conformance({ harness, without })
  assert.equal(new Set(cases.map(({ name }) => name)).size, cases.length)
  assert.ok(cases.every(({ name, subject }) => name.startsWith(`${subject}: `)))
})

test('every skip has the reason that was given for what is lacking, and only what needs it is skipped', () => {
  const cases = conformance({ harness, without })
  const skipped = cases.filter(({ skip }) => skip !== undefined)
  assert.deepEqual(
    new Set(skipped.map(({ skip }) => skip)),
    new Set(['it has none', 'nobody else can open it']),
  )
  assert.deepEqual(
    skipped.filter(({ skip }) => skip === without.producer).map(({ number }) => number),
    [88],
  )
  const exchanging = conformance({ harness, without: { ...without, exchange: 'two calls do' } })
  assert.equal(exchanging.filter(({ skip }) => skip === 'two calls do').length, 3)
})

test('what is claimed and not there is told by the case that needs it', async () => {
  const cases = untyped({ harness: () => ({ ...harness(), open: async () => plainStore() }) })
  const failsWith = async (number: number, message: RegExp): Promise<void> => {
    const found = cases.find((one) => one.number === number)
    await assert.rejects(async () => found?.run(), message)
  }
  await failsWith(9, /no `begin`: give the reason in `without.transactions`/)
  await failsWith(88, /no `runProducer`: give the reason in `without.producer`/)
  const exchange = cases.find(({ name }) => name.includes('exchange settles first'))
  await assert.rejects(
    async () => exchange?.run(),
    /no `exchange`: give the reason in `without.exchange`/,
  )
})

test('options that cannot be used are refused by name', () => {
  const wrong: readonly (readonly [object, RegExp])[] = [
    [{}, /conformance\.harness/],
    [{ harness: harness() }, /conformance\.harness/],
    [{ harness, without: { magic: 'none' } }, /conformance\.without\.magic/],
    [{ harness, without: { producer: '' } }, /conformance\.without\.producer/],
    [{ harness, without: { producer: true } }, /conformance\.without\.producer/],
    [{ harness, without: 'producer' }, /conformance\.without/],
    [{ harness, many: 0 }, /conformance\.many/],
    [{ harness, lacking: {} }, /conformance\.lacking/],
  ]
  for (const [options, message] of wrong) {
    assert.throws(() => untyped(options), { code: 'ERR_OPTION', message })
  }
})

/** A store as it comes from an author who has not written `exchange`. */
function plainStore(): object {
  return new Proxy(new MemoryStore(), {
    get: (store, key) => {
      const member: unknown = key === 'exchange' ? undefined : Reflect.get(store, key)
      return typeof member === 'function' ? member.bind(store) : member
    },
  })
}
