import type * as FastCheck from 'fast-check'
import type { StoreWorker } from '../../storage/task-store.ts'
import type { History } from './history.ts'

/** fast-check, which whoever runs the suite has to bring. */
export type Fc = typeof FastCheck

/** One thing that happens in a history. */
export interface Step {
  /** Whether there is anything that it can happen to. */
  readonly possible: (history: History) => boolean
  readonly play: (history: History) => Promise<unknown>
}

/** Kinds of steps, each with how often it is chosen. */
export type Steps = readonly FastCheck.WeightedArbitrary<Step>[]

/** Queues, ids and workers are few, so that much happens to each. */
const fewQueues = ['mail', 'news'] as const
/** What comes in large numbers has a queue of its own. */
export const batchQueue = 'bulk'
export const queues: readonly string[] = [...fewQueues, batchQueue]
export const ids: readonly string[] = ['a', 'b', 'c', 'd', 'e']
/** Two of them are incarnations of one name. */
const workers: readonly (readonly [string, string])[] = [
  ['v1', 'v'],
  ['v2', 'v'],
  ['w', 'w'],
]

/** Whatever takes time takes this, or some times this, so that much happens at the same instant. */
export const unitMs = 10_000
export const leaseMs: number = 3 * unitMs

/** A step that is always possible. */
export function always(play: Step['play']): Step {
  return { possible: () => true, play }
}

/** A step that is mostly left out where there is nothing that it can happen to: `anyway` says when it is not. */
export function onlyIf(possible: Step['possible'], anyway: boolean, play: Step['play']): Step {
  return { possible: (history) => anyway || possible(history), play }
}

/** One of the queues. */
export function queueOf(fc: Fc): FastCheck.Arbitrary<string> {
  const [one, other] = fewQueues
  return fc.constantFrom(one, one, one, other)
}

/** One of the workers of one of the queues. */
export function workerOf(fc: Fc): FastCheck.Arbitrary<StoreWorker> {
  return fc
    .tuple(queueOf(fc), fc.constantFrom(...workers))
    .map(([queue, [id, name]]) => workerIn(queue, id, name))
}

/** A worker of a queue. */
export function workerIn(queue: string, id = 'w', name: string = id): StoreWorker {
  return { id: `${queue}/${id}`, name, queue, leaseMs, layers: ['outer'] }
}

/** True once in `times`. */
export function onceIn(fc: Fc, times: number): FastCheck.Arbitrary<boolean> {
  return fc.nat({ max: times - 1 }).map((number) => number === times - 1)
}

/** The first of some values nine times as often as all others together. */
export function mostly<Value>(
  fc: Fc,
  first: Value,
  ...others: readonly Value[]
): FastCheck.Arbitrary<Value> {
  return fc.oneof(
    { weight: 9, arbitrary: fc.constant(first) },
    { weight: 1, arbitrary: fc.constantFrom(...others) },
  )
}

/** A delay, none included. */
export function delayOf(fc: Fc): FastCheck.Arbitrary<number> {
  return fc.constantFrom(0, 0, unitMs, 3 * unitMs)
}
