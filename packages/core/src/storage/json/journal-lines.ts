import { BackendError } from '../../errors/backend-errors.ts'
import { type SavedChange, savedChange, type SavedRow, savedRow } from './saved-row.ts'

/** The first line of every journal. */
export const HEADER = '{"apalis":"json-storage","version":1}'

/** A line that cannot be read. */
export interface DamagedLine {
  /** From 1. */
  readonly line: number
  readonly error: string
}

/** A queue as a journal leaves it. */
export interface SavedQueue {
  paused: boolean
  /** In order of insertion. */
  readonly rows: Map<string, SavedRow>
}

/** What a journal says, read line by line. */
export class JournalReader {
  readonly queues: Map<string, SavedQueue> = new Map<string, SavedQueue>()
  readonly damaged: (DamagedLine & { readonly text: string })[] = []
  readonly #path: string
  readonly #utf8 = new TextDecoder('utf-8', { fatal: true })
  #line = 0

  constructor(path: string) {
    this.#path = path
  }

  /** Takes the next line. One that cannot be read is set aside, all of it. Throws when the file is none of ours. */
  read(line: Buffer): void {
    this.#line += 1
    if (this.#line === 1) return checkHeader(this.#path, line.toString('utf8'))
    try {
      this.#apply(parse(this.#utf8.decode(line)))
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error)
      this.damaged.push({ line: this.#line, error: message, text: line.toString('utf8') })
    }
  }

  /** Whether the line, the last one and without an end, is whole nevertheless: somebody's editor may have left that out. */
  isWhole(line: Buffer): boolean {
    try {
      JSON.parse(this.#utf8.decode(line))
      return true
    } catch {
      return false
    }
  }

  #apply({ queue, paused, gone, tasks, changes }: Entry): void {
    const saved = this.queues.get(queue) ?? { paused: false, rows: new Map<string, SavedRow>() }
    const { rows } = saved
    const known = changes.map((change) => ({ change, row: rows.get(change.id) }))
    if (paused !== undefined) saved.paused = paused
    for (const id of gone) rows.delete(id)
    for (const task of tasks) rows.set(task.id, task)
    for (const { change, row } of known)
      if (row !== undefined) rows.set(row.id, changed(row, change))
    this.queues.set(queue, saved)
    // Its task went with a line that cannot be read. The others of this line are as good as before.
    const unknown = known.find(({ row }) => row === undefined)
    if (unknown !== undefined)
      throw new TypeError(`there is no task ${unknown.change.id} before it; all else in it counts`)
  }
}

interface Entry {
  readonly queue: string
  readonly paused: boolean | undefined
  readonly gone: readonly string[]
  readonly tasks: readonly SavedRow[]
  readonly changes: readonly SavedChange[]
}

function parse(text: string): Entry {
  const value: unknown = JSON.parse(text)
  if (typeof value !== 'object' || value === null) throw new TypeError('it is no object')
  const { queue, paused, ...lists } = value as Readonly<Record<string, unknown>>
  if (typeof queue !== 'string') throw new TypeError('it names no queue')
  if (paused !== undefined && typeof paused !== 'boolean') {
    throw new TypeError('paused is neither true nor false')
  }
  return {
    queue,
    paused,
    gone: list('gone', lists).map((id) => {
      if (typeof id === 'string') return id
      throw new TypeError('gone names a task by no text')
    }),
    tasks: list('tasks', lists).map(savedRow),
    changes: list('changes', lists).map(savedChange),
  }
}

function list(field: string, fields: Readonly<Record<string, unknown>>): readonly unknown[] {
  const value = fields[field] ?? []
  if (Array.isArray(value)) return value
  throw new TypeError(`${field} is no list`)
}

function changed(row: SavedRow, change: SavedChange): SavedRow {
  const { args, priority, attempts, createdAt, timeoutMs, uniqueKey, keyUntil, metadata } = row
  const errors = change.errors ?? row.errors
  return {
    args,
    priority,
    attempts,
    createdAt,
    ...(timeoutMs !== undefined && { timeoutMs }),
    ...(uniqueKey !== undefined && { uniqueKey }),
    ...(keyUntil !== undefined && { keyUntil }),
    ...(metadata !== undefined && { metadata }),
    ...change,
    ...(errors !== undefined && { errors }),
  }
}

function checkHeader(path: string, text: string): void {
  const { apalis, version } = headerOf(text)
  if (apalis !== 'json-storage') throw noFileOfTasks(path)
  if (version === 1) return
  throw refused(`${path}: line 1 says version ${JSON.stringify(version)}, and known is 1`)
}

function headerOf(text: string): { readonly apalis?: unknown; readonly version?: unknown } {
  try {
    const header: unknown = JSON.parse(text)
    return typeof header === 'object' && header !== null ? header : {}
  } catch {
    // Then it is none of ours either.
    return {}
  }
}

/** Refuses a file that is none of ours. */
export function noFileOfTasks(path: string): BackendError {
  return refused(`${path}: line 1 says that it is no file of tasks`)
}

function refused(message: string): BackendError {
  return new BackendError('open', message, { transient: false, applied: 'no' })
}
