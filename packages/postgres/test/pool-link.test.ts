import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { test } from 'node:test'
import type { PostgresPoolClient, PostgresResult } from '../src/client.ts'
import { PoolLink } from '../src/pool-link.ts'

/** A connection, whose end the `endsWith`th answer brings along; 0: none does. */
class Connection extends EventEmitter implements PostgresPoolClient {
  readonly #endsWith: number
  #asked = 0
  #over = false

  constructor(endsWith: number) {
    super()
    this.#endsWith = endsWith
  }

  query(): Promise<PostgresResult> {
    if (this.#over) return Promise.reject(new Error('the client is closed'))
    this.#asked += 1
    if (this.#asked === this.#endsWith) {
      this.#over = true
      this.emit('error', new Error('the server is going down'))
    }
    return Promise.resolve({ rows: [{ answer: '1' }] })
  }

  release(): void {}
}

class ConnectionPool extends EventEmitter {
  readonly totalCount = 0
  readonly made: Connection[] = []

  async connect(): Promise<Connection> {
    const connection = new Connection(this.made.length === 0 ? 2 : 0)
    this.made.push(connection)
    return connection
  }

  query(): Promise<PostgresResult> {
    return Promise.reject(new Error('not here'))
  }
}

test('where the end of the connection that listens comes with its answer, beats go over another', async () => {
  const pool = new ConnectionPool()
  const link = new PoolLink(pool)
  const subscriber = { onMessage: () => {}, onEnd: () => {} }
  await assert.rejects(link.listen('apalis', subscriber, { timeoutMs: 1_000 }), /lost/)
  const { rows } = await link.run('SELECT 1', [], { urgent: true, timeoutMs: 1_000 })
  assert.deepEqual(rows, [{ answer: '1' }])
  assert.equal(pool.made.length, 2)
  await link.close()
})
