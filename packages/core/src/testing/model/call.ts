import { isLeaseLostError } from '../../errors/task-errors.ts'
import type { StoredError } from '../../errors/stored-error.ts'
import type { ListFilter, TaskStore } from '../../storage/task-store.ts'
import type { Invariant } from '../invariant-error.ts'
import { leaseLost, type Reference } from './reference.ts'
import type { ReferenceState } from './reference-state.ts'

/** One call of a primitive: made of the storage and of the model, whose answers must be the same. */
export interface Call<Answer> {
  /** For people: what is asked. */
  readonly text: string
  /** Whose rows it may change; undefined: it only reads. */
  readonly changes?: string
  readonly ask: (store: TaskStore) => Promise<Answer>
  /** What the storage had to answer. `actual` is what it did, for the choices that the contract leaves to it. */
  readonly expect: (reference: Reference, actual: Answer) => Answer
  /** What a different answer breaks, by what was known before the call; `drift`: how much times may differ. */
  readonly breaks: (difference: Difference<Answer>) => Invariant
  /** For people: what came of it. */
  readonly became?: (answer: Answer) => readonly string[]
  /** Calls that ask for less. */
  readonly simpler?: () => readonly Call<Answer>[]
  /** Made in a history that went so: the same call in one that has gone otherwise. */
  readonly anew?: (then: ReferenceState) => (now: ReferenceState) => Call<Answer>
}

/** An answer that is not the one it had to be. */
export interface Difference<Answer> {
  readonly expected: Answer
  readonly actual: Answer
  readonly before: ReferenceState
  readonly drift: number
}

/** Every row: more than a history ever stores. */
export const all: ListFilter = { offset: 0, limit: 10_000 }

/** So many texts in a row are still read. */
const mostTexts = 6

/** What handlers throw in the model's histories. */
export const failure: StoredError = { name: 'Error', message: 'it failed', code: 'ERR_IT' }

/** What a kill is given. */
export const killing: StoredError = { name: 'TaskKilledError', message: 'nobody needs it' }

/** What rows that die too often are killed with. */
export const poison: StoredError = { name: 'PoisonError', message: 'its workers died' }

/** The answer, or that the lease was lost. */
export async function orLost<Answer>(call: Promise<Answer>): Promise<Answer | typeof leaseLost> {
  try {
    return await call
  } catch (error) {
    if (isLeaseLostError(error)) return leaseLost
    throw error
  }
}

/** For people: milliseconds as seconds. */
export function seconds(ms: number): string {
  return `${ms / 1000} s`
}

/** For people: the first few of several texts. */
export function several(texts: readonly string[], separator = ', '): string {
  if (texts.length <= mostTexts) return texts.join(separator)
  const shown = texts.slice(0, mostTexts).join(separator)
  return `${shown}${separator}and ${texts.length - mostTexts} more`
}

/** Every way to leave out one of several items; there is always one left. */
export function oneLess<Item>(items: readonly Item[]): readonly (readonly Item[])[] {
  return items.length < 2 ? [] : items.map((_, index) => items.toSpliced(index, 1))
}
