import assert from 'node:assert/strict'
import { test } from 'node:test'
import { around, forwardsCapacity } from '../../src/service/around.ts'
import type { Service } from '../../src/service/service.ts'

class Counter implements Service<number, string> {
  #left = 3
  call(request: number): string {
    return String(request)
  }
  capacity(ahead = 0): number {
    return this.#left + ahead
  }
  async ready(): Promise<void> {
    this.#left = 7
  }
}

test('calls what it is given, and forwards capacity and readiness of a class', async () => {
  const inner = new Counter()
  const service = around(inner, (request: number) => `<${inner.call(request)}>`)
  assert.equal(service.call(5), '<5>')
  assert.equal(service.capacity?.(), 3)
  assert.equal(service.capacity?.(10), 13)
  await service.ready?.(new AbortController().signal)
  assert.equal(service.capacity?.(), 7)
})

test('has no capacity or readiness where the inner service has none', () => {
  const service = around({ call: () => 1 }, () => 2)
  assert.equal(typeof service.capacity, 'undefined')
  assert.equal(typeof service.ready, 'undefined')
})

test('is known for a service that only forwards', () => {
  assert.equal(forwardsCapacity(around(new Counter(), () => 1)), true)
  assert.equal(forwardsCapacity(new Counter()), false)
})

test('refuses what is no function', () => {
  // @ts-expect-error a call has to be a function
  assert.throws(() => around(new Counter(), 'call'), { code: 'ERR_OPTION', option: 'around call' })
})
