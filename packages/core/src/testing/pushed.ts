import { AssertionError } from 'node:assert/strict'
import { knownKeys, OptionError, wholeNumber } from '../internal/validate.ts'
import type { QueueContext, Task } from '../task/task.ts'
import { render } from '../internal/render.ts'
import { diffOf } from './task-diff.ts'
import { type Listed, type ListedQueue, pagesOf } from './task-pages.ts'
import { CheckedPattern, type Finding, type TaskPattern } from './task-pattern.ts'

/** How many tasks have to be there. */
export interface PushedCount {
  /** At least 1. */
  readonly count: number
}

/** So many ids stand in one message. */
const MOST_SHOWN = 5

/**
 * Passes when a task like `pattern` is in the queue, whatever has become of it since its push:
 * `assertPushed(emails, { args: { to: 'ada@example.com' }, priority: 5 })`. Answers with it, the oldest where there are
 * several; with `{ count }` so many have to be there, and it answers with all of them. Rejects with an `AssertionError`
 * that shows of the task that comes nearest what is as expected and what is not, with a `DecodeError` for a task whose
 * arguments cannot be read, and with an `Error` when a queue of more than 100,000 tasks leaves it open.
 */
export function assertPushed<Args>(
  queue: ListedQueue<Args>,
  pattern?: TaskPattern<Args>,
): Promise<Task<Args, QueueContext>>
export function assertPushed<Args>(
  queue: ListedQueue<Args>,
  pattern: TaskPattern<Args>,
  expected: PushedCount,
): Promise<readonly Task<Args, QueueContext>[]>
export async function assertPushed<Args>(
  queue: ListedQueue<Args>,
  pattern: TaskPattern<Args> = {},
  expected?: PushedCount,
): Promise<Task<Args, QueueContext> | readonly Task<Args, QueueContext>[]> {
  const search = new Search(queue, pattern, 'assertPushed')
  if (expected === undefined) {
    for await (const task of search.matches()) return readable(task)
    search.mustBeWhole()
    throw search.missed()
  }
  knownKeys('assertPushed', expected, ['count'])
  const count = wholeNumber('assertPushed.count', expected.count, { min: 1 })
  const found: Listed<Args>[] = []
  for await (const task of search.matches()) found.push(task)
  search.mustBeWhole()
  if (found.length === count) return found.map(readable)
  throw search.miscounted(found, count)
}

/**
 * Passes when no task like `pattern` is in the queue, without a pattern when it has no task at all: the opposite of
 * {@link assertPushed}, with the same errors. The `AssertionError` shows the task that is there.
 */
export async function assertNotPushed<Args>(
  queue: ListedQueue<Args>,
  pattern: TaskPattern<Args> = {},
): Promise<void> {
  const search = new Search(queue, pattern, 'assertNotPushed')
  for await (const task of search.matches()) throw search.unwanted(task)
  search.mustBeWhole()
}

/** Looks through the tasks of a queue, and remembers which of those that do not match comes nearest. */
class Search<Args> {
  readonly #queue: ListedQueue<Args>
  readonly #pattern: CheckedPattern
  readonly #operator: string
  #looked = 0
  #whole = false
  #nearest: Near<Args> | undefined

  constructor(queue: ListedQueue<Args>, pattern: TaskPattern<Args>, operator: string) {
    if (typeof queue?.listTasks !== 'function') {
      throw new OptionError('queue', queue, 'a queue, that is an object with a listTasks method')
    }
    this.#queue = queue
    this.#pattern = new CheckedPattern(pattern)
    this.#operator = operator
  }

  /** Those that match, oldest first. */
  async *matches(): AsyncGenerator<Listed<Args>, undefined> {
    for await (const { tasks, last } of pagesOf(this.#queue)) {
      this.#whole = last
      for (const task of tasks) {
        this.#looked += 1
        if (this.#matches(task)) yield task
      }
    }
  }

  /** Throws when there are tasks that were not looked at. */
  mustBeWhole(): void {
    if (this.#whole) return
    throw new Error(
      `${this.#operator} looked at ${this.#looked} tasks of ${this.#name}, and there are more`,
    )
  }

  /** None matches. */
  missed(): AssertionError {
    if (this.#looked > 0) return this.#fail(`no task of ${this.#name} is as expected`)
    const { expected } = this.#pattern.sides()
    return this.#fail(`${this.#name} has no tasks, and one was expected: ${render(expected)}`)
  }

  /** Not as many match as should. */
  miscounted(found: readonly Listed<Args>[], count: number): AssertionError {
    const ids: string[] = found.slice(0, MOST_SHOWN).map(({ parts }) => parts.taskId)
    if (ids.length < found.length) ids.push('…')
    const which = found.length === 0 ? '' : `: ${ids.join(', ')}`
    const tasks = found.length === 1 ? '1 task' : `${found.length} tasks`
    const message = `${this.#name} has ${tasks} as expected, not ${count}${which}`
    return found.length < count ? this.#fail(message) : this.#error(message, this.#pattern.sides())
  }

  /** One matches, and none should. */
  unwanted(task: Listed<Args>): AssertionError {
    const findings = this.#pattern.compare(task)
    const args = 'error' in task ? task.error : task.args
    const told = findings.some(({ path }) => path.startsWith('args'))
    const shown = told
      ? findings
      : [...findings, { path: 'args', same: true, expected: args, actual: args }]
    const message = `${this.#name} has a task that it should not have: ${nameOf(task)}`
    return this.#error(`${message}\n\n${diffOf(shown)}\n`, this.#pattern.sides(task))
  }

  get #name(): string {
    return `queue "${this.#queue.name}"`
  }

  #matches(task: Listed<Args>): boolean {
    const findings = this.#pattern.compare(task)
    const same = findings.filter((finding) => finding.same).length
    if (same === findings.length) return true
    // Of those that are as near as each other the youngest: it is probably what the test has just pushed.
    const rank = (this.#pattern.names(task) ? 1 : 0) + same / findings.length
    if (this.#nearest === undefined || rank >= this.#nearest.rank) {
      this.#nearest = { task, rank, findings }
    }
    return false
  }

  /** An error with the task that comes nearest, where there is one. */
  #fail(message: string): AssertionError {
    const nearest = this.#nearest
    if (nearest === undefined) return this.#error(message, this.#pattern.sides())
    const { task, findings } = nearest
    const found = `${message}; of ${this.#looked} the nearest is ${nameOf(task)}`
    const diff = `- expected, + found\n\n${diffOf(findings)}\n`
    return this.#error(`${found}:\n${diff}`, this.#pattern.sides(task))
  }

  #error(
    message: string,
    sides: { readonly expected: object; readonly actual?: object },
  ): AssertionError {
    return new AssertionError({ message, operator: this.#operator, ...sides })
  }
}

/** A task that does not match. */
interface Near<Args> {
  readonly task: Listed<Args>
  /** The share of the pattern that is as expected; more when it is the task that the pattern names. */
  readonly rank: number
  readonly findings: readonly Finding[]
}

function nameOf({ parts }: Listed<unknown>): string {
  return `task ${parts.taskId} (${parts.status})`
}

function readable<Args>(task: Listed<Args>): Task<Args, QueueContext> {
  if ('error' in task) throw task.error
  return task
}
