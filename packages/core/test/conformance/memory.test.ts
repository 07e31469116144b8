import { test } from 'node:test'
import { MemoryStore } from '../../src/storage/memory/memory-store.ts'
import { conformance } from '../../src/testing/conformance/index.ts'
import type { Harness } from '../../src/testing/conformance/harness.ts'
import { TestClock } from '../../src/testing/test-clock.ts'

function memoryHarness(): Harness {
  const clock = new TestClock()
  const store = new MemoryStore({ clock })
  return {
    clock,
    open: async () => store,
    advance: (ms) => clock.advance(ms),
    async corrupt(queue, id, args) {
      await store.update(queue, id, { args })
    },
    async close() {},
  }
}

const without = {
  transactions: 'memory has no transactions',
  'concurrent-transactions': 'memory has no transactions',
  producer: 'what one process keeps in memory no other can open',
}

for (const { name, skip, run } of conformance({ harness: memoryHarness, without })) {
  test(name, { skip }, run)
}
