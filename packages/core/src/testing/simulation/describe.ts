import type {
  Claimed,
  Inserted,
  NewRow,
  Rescued,
  StoreBeat,
  StoreSettled,
  StoreSettlement,
  WorkerRef,
} from '../../storage/task-store.ts'
import type { Call } from '../wire.ts'

/** A call, in the words of the log. `nameOf`: what an incarnation is called. */
export function describeCall({ operation, args }: Call, nameOf: (id: string) => string): string {
  const [first, second, third] = args
  // Each operation has the arguments of the store's method of that name.
  switch (operation) {
    case 'insert':
      return `insert ${String(first)} ${(second as readonly NewRow[]).map(({ id }) => id).join(' ')}`
    case 'register':
    case 'beat':
    case 'leave':
      return `${operation} ${nameOf((first as WorkerRef).id)}`
    case 'claim':
      return `claim ${nameOf((first as WorkerRef).id)} ${String(second)}`
    case 'settle':
      return `settle ${nameOf((first as WorkerRef).id)} ${settlements(second)}`
    case 'exchange':
      return `exchange ${nameOf((first as WorkerRef).id)} ${settlements(second)} ${String(third)}`
    case 'listen':
      return 'listen'
    case 'rescue':
      return `rescue ${String(first)}`
    case 'kill':
      return `kill ${String(second)}`
    default:
      return [operation, ...args.slice(0, 3).map(text)].join(' ')
  }
}

/** What came back, in the words of the log. */
export function describeAnswer(operation: string, answer: unknown): string {
  // What an operation answers with is what the store's method of that name does.
  switch (operation) {
    case 'insert': {
      const existing = (answer as readonly Inserted[]).filter((one) => one.existing)
      return existing.length === 0 ? '' : ` → existing ${existing.map(({ id }) => id).join(' ')}`
    }
    case 'claim':
      return claimed(answer as Claimed)
    case 'settle':
      return ` → ${(answer as readonly StoreSettled[]).join(' ')}`
    case 'exchange': {
      const both = answer as {
        readonly settled: readonly StoreSettled[]
        readonly claimed: Claimed
      }
      return ` → ${both.settled.join(' ')}${claimed(both.claimed)}`
    }
    case 'beat': {
      const { held, dueIn, rescueIn } = answer as StoreBeat
      const holds = sorted(held.map(({ id, epoch }) => `${id}@${epoch}`)).join(' ') || '-'
      return ` → ${holds} due ${dueIn ?? '-'} rescue ${rescueIn ?? '-'}`
    }
    case 'rescue': {
      const rescued = (answer as readonly Rescued[]).map(
        ({ row, outcome }) => `${row.id} ${outcome}`,
      )
      return ` → ${sorted(rescued).join(', ') || '-'}`
    }
    case 'get':
    case 'watch':
    case 'register':
    case 'leave':
    case 'listen':
    case 'pause':
      return ''
    default:
      return ` → ${text(answer)}`
  }
}

function settlements(value: unknown): string {
  return (value as readonly StoreSettlement[])
    .map(({ id, epoch, outcome }) => `${id}@${epoch}=${outcome.type}`)
    .join(' ')
}

function claimed({ rows, dueIn }: Claimed): string {
  const got = rows.map(({ id, epoch }) => `${id}@${epoch}`).join(' ') || '-'
  return ` → ${got} due ${dueIn ?? '-'}`
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

/** In what order a storage tells what nobody asked an order of is its own affair. */
function sorted(texts: readonly string[]): readonly string[] {
  return texts.toSorted((one, other) => one.localeCompare(other, 'en', { numeric: true }))
}
