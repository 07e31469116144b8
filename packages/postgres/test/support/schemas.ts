let made = 0

/** The name of a schema that nobody else has, in this process or another. */
export function freshSchema(): string {
  made += 1
  return `test_${process.pid}_${Date.now().toString(36)}_${made}`
}

const tables = ['task', 'queue', 'intact', 'worker', 'claim', 'ended', 'awaited', 'tally'] as const

/** Schemas that were used and are empty again: to make one takes longer than most cases. */
export class Schemas {
  readonly #run: (sql: string) => Promise<unknown>
  readonly #free: string[] = []

  constructor(run: (sql: string) => Promise<unknown>) {
    this.#run = run
  }

  /** An empty one, or the name of one to be made. */
  take(): string {
    return this.#free.pop() ?? freshSchema()
  }

  /** It is not used any more. */
  async giveBack(schema: string): Promise<void> {
    const names = tables.map((table) => `"${schema}".${table}`).join(', ')
    await this.#run(`TRUNCATE ${names} RESTART IDENTITY`)
    this.#free.push(schema)
  }
}
