import { MemoryStore } from '../../src/storage/memory/memory-store.ts'
import type { TaskStore } from '../../src/storage/task-store.ts'
import type { BareHarness } from '../../src/testing/harness.ts'
import type { Invariant } from '../../src/testing/invariant-error.ts'
import { TestClock } from '../../src/testing/test-clock.ts'
import type { Clock } from '../../src/time/clock.ts'

/** A store with one rule of the contract broken: what a suite is worth shows in whether it notices. */
export interface Twin {
  /** What it does wrong. */
  readonly name: string
  /** What breaks by it: a suite that catches it names one of these. */
  readonly invariants: readonly Invariant[]
  /** Breaks a store that reads this clock. Goes around whatever loses answers, so that it knows what arrived. */
  readonly wrap: (store: TaskStore, clock: Clock) => TaskStore
}

/** `store` with other bodies for some methods, and without `exchange`, which would lead around them. */
export function overriding(store: TaskStore, own: Partial<TaskStore>): TaskStore {
  const hidden = { ...own, exchange: undefined }
  return new Proxy(store, {
    get(target, key) {
      if (Object.hasOwn(hidden, key)) return Reflect.get(hidden, key)
      const member: unknown = Reflect.get(target, key)
      return typeof member === 'function' ? member.bind(target) : member
    },
    has: (target, key) => key !== 'exchange' && Reflect.has(target, key),
  })
}

/** What a suite runs on to find out about a twin on another storage: one store of it that is broken so. */
export async function brokenHarness<Tx>(
  { wrap }: Twin,
  harness: BareHarness<Tx>,
): Promise<BareHarness> {
  const store = wrap(await harness.open(), harness.clock)
  // All processes share it, and each closes it when it ends.
  const shared = overriding(store, { close: async () => {} })
  return {
    clock: harness.clock,
    open: async () => shared,
    advance: (ms) => harness.advance(ms),
    corrupt: (queue, id, args) => harness.corrupt(queue, id, args),
    close: () => harness.close(),
  }
}

/** What a suite runs on to find out about a twin: one memory store that is broken so. */
export function twinHarness({ wrap }: Twin): BareHarness {
  const clock = new TestClock()
  const store = wrap(new MemoryStore({ clock }), clock)
  return {
    clock,
    open: async () => store,
    advance: (ms) => clock.advance(ms),
    async corrupt() {},
    async close() {},
  }
}
