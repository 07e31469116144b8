// #region harness
import { type Harness, TestClock } from '@apalis/core/testing'
import { mapStore } from '../src/map-store.ts'

/** What the suites run on: one Map, which everybody shares, and time that they move. */
export function mapHarness(): Harness {
  const clock = new TestClock()
  const store = mapStore({ clock })
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
// #endregion
