import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { JsonStore } from '../../src/storage/json/json-store.ts'
import { conformance } from '../../src/testing/conformance/index.ts'
import type { Harness } from '../../src/testing/harness.ts'
import { TestClock } from '../../src/testing/test-clock.ts'
import { runCases } from './run.ts'

function jsonHarness(): Harness<never, 'transactions' | 'producer'> {
  const clock = new TestClock()
  const folder = mkdtempSync(join(tmpdir(), 'apalis-json-'))
  const store = JsonStore.open({
    path: join(folder, 'tasks.jsonl'),
    clock,
    keepFinished: 1_000,
    fsync: false,
  })
  return {
    clock,
    // One process has it, so everybody shares one store, which none of them can close.
    open: async () => leftOpen(await store),
    advance: (ms) => clock.advance(ms),
    async corrupt(queue, id, args) {
      await (await store).update(queue, id, { args })
    },
    async close() {
      await (await store).close()
      rmSync(folder, { recursive: true })
    },
  }
}

function leftOpen(store: JsonStore): JsonStore {
  return new Proxy(store, {
    get(target, key) {
      if (key === 'close') return async () => {}
      const member: unknown = Reflect.get(target, key)
      return typeof member === 'function' ? member.bind(target) : member
    },
  })
}

const without = {
  transactions: 'a JSON file has no transactions',
  producer: 'a JSON file is for one process',
}

runCases(conformance({ harness: jsonHarness, without }), join(import.meta.dirname, 'json.json'))
