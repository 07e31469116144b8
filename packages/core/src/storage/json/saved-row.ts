import type { Metadata } from '../../task/metadata.ts'
import { MemoryRow } from '../memory/memory-row.ts'
import { frozenCopy } from '../memory/frozen-copy.ts'
import type { Row, StoredFailure } from '../task-store.ts'

/** What of a row only an insert or an update writes. Arguments that are JSON stand in the journal as that. */
interface Given {
  readonly id: string
  readonly args: string
  readonly priority: number
  readonly attempts: number
  readonly createdAt: number
  readonly timeoutMs?: number
  readonly uniqueKey?: string
  readonly keyUntil?: number
  readonly metadata?: Metadata
}

/** What else there is of it, written with every change; what is absent is 0, or not there. Errors: as they were. */
export interface SavedChange {
  readonly id: string
  readonly status: Row['status']
  readonly runAt: number
  readonly attempt?: number
  readonly epoch?: number
  readonly rescues?: number
  readonly releases?: number
  readonly lockedBy?: string
  readonly lockedAt?: number
  readonly finishedAt?: number
  /** The order of ends. */
  readonly end?: number
  readonly keyHeld?: boolean
  readonly result?: string
  readonly errors?: readonly StoredFailure[]
}

/** A whole row as the journal has it. */
export interface SavedRow extends Given, SavedChange {}

/** The text of a whole row. */
export function textOfRow(row: MemoryRow, keyHeld: boolean): string {
  const { id, priority, attempts, createdAt, timeoutMs, uniqueKey, keyUntil, metadata } = row
  const given: Omit<Given, 'args'> = {
    id,
    priority,
    attempts,
    createdAt,
    ...(timeoutMs !== undefined && { timeoutMs }),
    ...(uniqueKey !== undefined && { uniqueKey }),
    ...(keyUntil !== undefined && { keyUntil }),
    ...(metadata !== undefined && { metadata }),
  }
  const { result, ...change } = changeOf(row, keyHeld, true)
  return withTexts({ ...given, ...change }, { args: row.args, result })
}

/** The text of what changes of a row. */
export function textOfChange(row: MemoryRow, keyHeld: boolean, errors: boolean): string {
  const { result, ...change } = changeOf(row, keyHeld, errors)
  return withTexts(change, { result })
}

function changeOf(row: MemoryRow, keyHeld: boolean, errors: boolean): SavedChange {
  const { id, status, runAt, attempt, epoch, rescues, releases, holder, result } = row
  const finished = status === 'done' || status === 'killed'
  return {
    id,
    status,
    runAt,
    ...(attempt !== 0 && { attempt }),
    ...(epoch !== 0 && { epoch }),
    ...(rescues !== 0 && { rescues }),
    ...(releases !== 0 && { releases }),
    ...(holder !== undefined && { lockedBy: holder.id, lockedAt: row.lockedAt }),
    ...(finished && { finishedAt: row.finishedAt, end: row.endSequence }),
    ...(keyHeld && { keyHeld }),
    ...(result !== undefined && { result }),
    ...(errors && row.errors.length > 0 && { errors: row.errors }),
  }
}

/** An object as JSON, with texts that are JSON themselves in it as that: for whoever reads the file. */
function withTexts(
  object: object,
  texts: { readonly args?: string; readonly result?: string | undefined },
): string {
  let json = JSON.stringify(object).slice(0, -1)
  for (const name of ['args', 'result'] as const) {
    const text = texts[name]
    if (text === undefined) continue
    json += isCanonical(text) ? `,"${name}":${text}` : `,"${name}Text":${JSON.stringify(text)}`
  }
  return `${json}}`
}

/** Whether the text comes back as it is from what it says. */
function isCanonical(text: string): boolean {
  try {
    return JSON.stringify(JSON.parse(text)) === text
  } catch {
    // Codecs write what they like.
    return false
  }
}

/** The row of what was saved. */
export function rowOf(saved: SavedRow): MemoryRow {
  const { createdAt, keyUntil, timeoutMs, uniqueKey, metadata } = saved
  const row = new MemoryRow(
    {
      id: saved.id,
      args: saved.args,
      priority: saved.priority,
      attempts: saved.attempts,
      runAt: saved.runAt,
      ...(timeoutMs !== undefined && { timeoutMs }),
      ...(uniqueKey !== undefined && { uniqueKey }),
      ...(keyUntil !== undefined && { uniqueForMs: keyUntil - createdAt }),
      ...(metadata !== undefined && { metadata }),
    },
    createdAt,
  )
  row.status = saved.status
  row.attempt = saved.attempt ?? 0
  row.epoch = saved.epoch ?? 0
  row.rescues = saved.rescues ?? 0
  row.releases = saved.releases ?? 0
  row.lockedAt = saved.lockedAt ?? 0
  row.finishedAt = saved.finishedAt ?? 0
  row.result = saved.result
  row.errors = frozenCopy(saved.errors ?? [])
  return row
}

const statuses: readonly unknown[] = ['pending', 'running', 'done', 'failed', 'killed']

/** Reads one task of a line. Throws for what cannot have been written. */
export function savedRow(value: unknown): SavedRow {
  const record = new Reader(value)
  const metadata = record.object('metadata')
  return {
    ...savedChange(value),
    args: record.text('args') ?? record.missing('args'),
    priority: record.number('priority') ?? record.missing('priority'),
    attempts: record.number('attempts') ?? record.missing('attempts'),
    createdAt: record.number('createdAt') ?? record.missing('createdAt'),
    ...record.numbers('timeoutMs', 'keyUntil'),
    ...record.strings('uniqueKey'),
    // It was JSON when it was written, and is now.
    ...(metadata !== undefined && { metadata: metadata as Metadata }),
  }
}

/** Reads one change of a line. Throws for what cannot have been written. */
export function savedChange(value: unknown): SavedChange {
  const record = new Reader(value)
  const { id } = record.strings('id')
  const { status, errors, keyHeld } = record.fields
  if (!statuses.includes(status)) throw new TypeError(`status is ${JSON.stringify(status)}`)
  if (errors !== undefined && !isFailures(errors)) throw new TypeError('errors is no list of them')
  const result = record.text('result')
  return {
    id: id ?? record.missing('id'),
    // It is one of them.
    status: status as Row['status'],
    runAt: record.number('runAt') ?? record.missing('runAt'),
    ...record.numbers('attempt', 'epoch', 'rescues', 'releases', 'lockedAt', 'finishedAt', 'end'),
    ...record.strings('lockedBy'),
    ...(keyHeld === true && { keyHeld }),
    ...(result !== undefined && { result }),
    ...(errors !== undefined && { errors }),
  }
}

function isFailures(errors: unknown): errors is readonly StoredFailure[] {
  return (
    Array.isArray(errors) &&
    errors.every((error: Partial<StoredFailure> | null) => typeof error?.message === 'string')
  )
}

/** The fields of an object that was read, each of the type it has to have. */
class Reader {
  readonly fields: Readonly<Record<string, unknown>>

  constructor(value: unknown) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new TypeError('a task is no object')
    }
    this.fields = value as Readonly<Record<string, unknown>>
  }

  missing(field: string): never {
    throw new TypeError(`a task has no ${field}`)
  }

  number(field: string): number | undefined {
    const value = this.fields[field]
    if (value === undefined || typeof value === 'number') return value
    throw new TypeError(`${field} is ${JSON.stringify(value)}`)
  }

  numbers<Field extends string>(...fields: Field[]): { readonly [Name in Field]?: number } {
    const found: { [Name in Field]?: number } = {}
    for (const field of fields) {
      const value = this.number(field)
      if (value !== undefined) found[field] = value
    }
    return found
  }

  strings<Field extends string>(...fields: Field[]): { readonly [Name in Field]?: string } {
    const found: { [Name in Field]?: string } = {}
    for (const field of fields) {
      const value = this.fields[field]
      if (value === undefined) continue
      if (typeof value !== 'string') throw new TypeError(`${field} is ${JSON.stringify(value)}`)
      found[field] = value
    }
    return found
  }

  /** Text that stands there as JSON, or as it is. */
  text(field: string): string | undefined {
    if (field in this.fields) return JSON.stringify(this.fields[field])
    return this.strings(`${field}Text`)[`${field}Text`]
  }

  object(field: string): object | undefined {
    const value = this.fields[field]
    if (value === undefined) return undefined
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
    throw new TypeError(`${field} is ${JSON.stringify(value)}`)
  }
}
