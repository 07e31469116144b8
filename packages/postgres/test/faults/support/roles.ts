import { sleep, systemClock } from '@apalis/core'
import { Client } from 'pg'

/** What a connection is for, by what it was asked last. */
export const ROLES = {
  'the one that listens and beats': `query ~ 'LISTEN|register_1|beat_1'`,
  'one in the middle of a claim or settle': `state = 'active' AND query ~ 'exchange_1'`,
  'one in the middle of a push': `state = 'active' AND query ~ 'insert_1'`,
  'an idle one of the pool': `state = 'idle' AND query ~ 'exchange_1|insert_1'`,
  all: 'true',
} as const

/** What to end. */
export type Role = keyof typeof ROLES

/** Ends connections of an `application_name` by their role. */
export class Roles implements AsyncDisposable {
  readonly #client: Client
  /** It holds a lock. Inside a transaction nobody sees how others go on. */
  readonly #locking: Client

  private constructor(client: Client, locking: Client) {
    this.#client = client
    this.#locking = locking
  }

  static async open(url: string): Promise<Roles> {
    const clients = [
      new Client({ connectionString: url }),
      new Client({ connectionString: url }),
    ] as const
    await Promise.all(clients.map((client) => client.connect()))
    return new Roles(...clients)
  }

  /** The processes of the server that have the role now. */
  async of(role: Role, name: string): Promise<readonly number[]> {
    const { rows } = await this.#client.query<{ pid: number }>(
      `SELECT pid FROM pg_stat_activity WHERE application_name = $1 AND ${ROLES[role]}`,
      [name],
    )
    return rows.map(({ pid }) => pid)
  }

  /** Ends those that have the role, as soon as there are any. In the middle of a statement: one that waits, so that it surely is. */
  async end(
    role: Role,
    { name, schema }: { readonly name: string; readonly schema: string },
  ): Promise<void> {
    const middle = role.startsWith('one in the middle')
    if (middle) await this.#locking.query(`BEGIN; LOCK TABLE "${schema}".tally IN SHARE MODE`)
    for (;;) {
      const pids = await this.of(role, name)
      if (pids.length > 0) {
        const all = await this.#client.query<{ ended: boolean }>(
          'SELECT pg_terminate_backend(pid) AS ended FROM unnest($1::int[]) AS pid',
          [pids],
        )
        if (all.rows.some(({ ended }) => ended)) break
      }
      await sleep(systemClock, 5)
    }
    if (middle) await this.#locking.query('ROLLBACK')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#client.end(), this.#locking.end()])
  }
}
