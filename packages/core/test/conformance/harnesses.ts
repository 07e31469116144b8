import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { JsonStore } from '../../src/storage/json/json-store.ts'
import { MemoryStore } from '../../src/storage/memory/memory-store.ts'
import type { Harness } from '../../src/testing/harness.ts'
import { TestClock } from '../../src/testing/test-clock.ts'

/** What the suites run on: one memory store, which everybody shares. */
export function memoryHarness(): Harness<never, 'transactions' | 'producer'> {
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

/** The same with a file, which one process has. */
export function jsonHarness(): Harness<never, 'transactions' | 'producer'> {
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

/** A store that whoever shares it cannot close. */
function leftOpen(store: JsonStore): JsonStore {
  return new Proxy(store, {
    get(target, key) {
      if (key === 'close') return async () => {}
      const member: unknown = Reflect.get(target, key)
      return typeof member === 'function' ? member.bind(target) : member
    },
  })
}
