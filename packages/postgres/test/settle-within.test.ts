import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { isLeaseLostError, json, WorkerBuilder } from '@apalis/core'
import { Pool } from 'pg'
import { PostgresStorage } from '../src/index.ts'
import { libraries } from './support/libraries.ts'
import { freshSchema } from './support/schemas.ts'
import { findPostgres } from './support/server.ts'

const found = findPostgres()
const server = await found.open?.()
const pool = new Pool({ connectionString: server?.url ?? 'postgres://nowhere', max: 2 })
// It may be told of the server's end after its own.
pool.on('error', () => {})
after(async () => {
  await pool.end()
  await server?.[Symbol.asyncDispose]()
})

for (const [name, { open, inProcess = false }] of Object.entries(libraries)) {
  test(
    `${name}: what a handler changed and the end of its task are committed together, or neither is`,
    { skip: inProcess ? undefined : found.missing },
    async () => {
      await using library = await open(server?.url ?? '')
      const { connection } = library
      const schema = freshSchema()
      const table = `account_${schema}`
      const query = async (sql: string): Promise<readonly unknown[]> =>
        (
          await (typeof connection === 'object' && 'query' in connection ? connection : pool).query(
            sql,
          )
        ).rows
      await query(`CREATE TABLE ${table} (cents int)`)
      await using storage = await PostgresStorage.connect(connection, { schema, lease: '1h' })
      const transfers = storage.queue<number, string>('transfers', {
        result: json<string>(),
        backoff: () => 0,
      })
      const lost: unknown[] = []
      const worker = new WorkerBuilder('bank')
        .backend(transfers)
        .onEvent((event) => {
          if (event.type === 'lost') lost.push(event)
        })
        .build((cents, request) =>
          library.transaction(async ({ tx, run }) => {
            await run(`INSERT INTO ${table} VALUES (${cents})`)
            const result = await transfers
              .settleWithin(tx)
              .done(request, `${cents} "cents" é🦉 at ${request.attempt}`)
            if (request.attempt === 1) throw new Error('rolled back')
            return result
          }),
        )
      const ended = worker.run()
      const ids = await transfers.pushBulk([1, 2, 3])
      const results: string[] = []
      for (const id of ids) results.push(await transfers.result(id))
      worker.stop()
      await ended
      assert.deepEqual(
        results,
        [1, 2, 3].map((cents) => `${cents} "cents" é🦉 at 2`),
      )
      assert.deepEqual(await query(`SELECT cents FROM ${table} ORDER BY 1`), [
        { cents: 1 },
        { cents: 2 },
        { cents: 3 },
      ])
      assert.deepEqual(lost, [])
      // Nothing is left of the claims.
      assert.deepEqual(await query(`SELECT n FROM "${schema}".claim`), [])
      const { pending, running, done } = await transfers.metrics()
      assert.deepEqual([pending, running, done], [0, 0, 3])
    },
  )
}

test('a run that has ended cannot be ended once more', { skip: found.missing }, async () => {
  await using storage = await PostgresStorage.connect(pool, { schema: freshSchema(), lease: '1h' })
  const tasks = storage.queue<string, string>('mail', { result: json<string>() })
  const after = Promise.withResolvers<() => Promise<string>>()
  const worker = new WorkerBuilder('w').backend(tasks).build((args, request) => {
    after.resolve(async () => {
      const tx = await pool.connect()
      using _ = { [Symbol.dispose]: () => tx.release(true) }
      await tx.query('BEGIN')
      return tasks.settleWithin(tx).done(request, 'too late')
    })
    return args
  })
  const ended = worker.run()
  assert.equal(await tasks.result(await tasks.push('own')), 'own')
  worker.stop()
  await ended
  await assert.rejects((await after.promise)(), isLeaseLostError)
})
