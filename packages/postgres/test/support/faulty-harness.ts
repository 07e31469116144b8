import type { TaskStore } from '@apalis/core'
import type { BareHarness } from '@apalis/core/testing'
import type { PostgresTransaction } from '../../src/client.ts'
import type { Link } from '../../src/link.ts'
import { FaultyLink, type FaultShares } from './faulty-link.ts'

/** A harness that lets something stand between its stores and the server. */
export interface LinkedHarness extends BareHarness<PostgresTransaction> {
  open(between?: (link: Link) => Link): Promise<TaskStore<PostgresTransaction>>
}

/** What is made of a harness for one seed. */
export interface FaultyHarness extends BareHarness<PostgresTransaction> {
  /** How many statements have failed. */
  readonly failed: () => number
  /** What stores told of that and should not have. */
  readonly lies: () => readonly string[]
}

/** Faults end with the shortest chaos of a simulation, or a little after. */
const FAULTS_MS = 12_000
const NONE: FaultShares = { refused: 0, lost: 0 }

/** Stores of the harness whose statements fail as the seed says, for some virtual seconds; the first that is opened excepted. */
export function faultyHarness(harness: LinkedHarness, seed: number): FaultyHarness {
  const random = randomOf(seed)
  const often = random() < 0.3 ? 4 : 1
  const rates: FaultShares = { refused: 0.06 * often * random(), lost: 0.06 * often * random() }
  const links: FaultyLink[] = []
  let first = true
  let running = false
  const shares = (): FaultShares =>
    running && harness.clock.monotonic() < FAULTS_MS ? rates : NONE
  return {
    clock: harness.clock,
    async open() {
      // That of the simulation itself, which only looks.
      if (first) {
        first = false
        return harness.open()
      }
      let faulty: FaultyLink | undefined
      running = false
      const store = await harness.open((link) => {
        faulty = new FaultyLink(link, shares, random)
        links.push(faulty)
        return faulty
      })
      running = true
      return faulty === undefined ? store : calling(store, faulty)
    },
    advance: (ms) => harness.advance(ms),
    corrupt: (queue, id, args) => harness.corrupt(queue, id, args),
    close: () => harness.close(),
    failed: () => links.reduce((sum, { failed }) => sum + failed, 0),
    lies: () => links.flatMap(({ lies }) => lies),
  }
}

/** The store, each of whose calls is one of the link. */
function calling(
  store: TaskStore<PostgresTransaction>,
  link: FaultyLink,
): TaskStore<PostgresTransaction> {
  return new Proxy(store, {
    get(target, key) {
      const member: unknown = Reflect.get(target, key)
      if (typeof member !== 'function') return member
      return (...args: unknown[]): unknown =>
        key === 'listen' || key === 'close'
          ? Reflect.apply(member, target, args)
          : link.call(() => Reflect.apply(member, target, args))
    },
  })
}

/** Chance that repeats itself: numbers from 0 up to, but not, 1 (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b_79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
