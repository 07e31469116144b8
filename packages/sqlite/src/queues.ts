import type { Statements } from './statements.ts'

/** A queue as rows know it. */
export interface QueueRef {
  readonly id: number
  readonly name: string
}

const FIND = 'SELECT id FROM apalis_queue WHERE name = ?'
const CREATE = 'INSERT INTO apalis_queue (name) VALUES (?)'

/** The numbers of queues. A queue that was stored once keeps its number for ever. */
export class Queues {
  readonly #sql: Statements
  readonly #known = new Map<string, QueueRef>()
  #created: string[] = []

  constructor(sql: Statements) {
    this.#sql = sql
  }

  /** The queue; undefined: nobody has used it yet. */
  find(name: string): QueueRef | undefined {
    const known = this.#known.get(name)
    if (known !== undefined) return known
    const id = this.#sql.value(FIND, name)
    return typeof id === 'number' ? this.#keep({ id, name }) : undefined
  }

  /** The queue, stored now if it was not. */
  open(name: string): QueueRef {
    const found = this.find(name)
    if (found !== undefined) return found
    this.#created.push(name)
    return this.#keep({ id: this.#sql.insert(CREATE, name), name })
  }

  /** What was created is stored for good. */
  committed(): void {
    if (this.#created.length > 0) this.#created = []
  }

  /** What was created since is not stored after all. */
  rolledBack(): void {
    for (const name of this.#created.splice(0)) this.#known.delete(name)
  }

  #keep(queue: QueueRef): QueueRef {
    this.#known.set(queue.name, queue)
    return queue
  }
}
