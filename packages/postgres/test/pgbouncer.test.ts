import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Client } from 'pg'
import { findPgbouncer } from './support/pgbouncer.ts'
import { findPostgres } from './support/server.ts'

const postgres = findPostgres()
const pgbouncer = findPgbouncer()

describe('a PgBouncer', { skip: postgres.missing ?? pgbouncer.missing }, () => {
  test('two transactions of one client may run on two connections of the server', async () => {
    assert.ok(postgres.open && pgbouncer.open)
    await using server = await postgres.open()
    await using before = await pgbouncer.open(server)
    const connectionString = before.through(server.url)
    assert.notEqual(connectionString, server.url)
    const clients = [new Client({ connectionString }), new Client({ connectionString })]
    const [one, other] = clients
    await Promise.all(clients.map((client) => client.connect()))
    const backend = async (client: Client | undefined): Promise<unknown> =>
      (await client?.query('SELECT pg_backend_pid() AS pid'))?.rows[0]
    const first = await backend(one)
    // It takes the connection that the first client had a moment ago, and keeps it.
    await other?.query('BEGIN')
    assert.deepEqual(await backend(other), first)
    assert.notDeepEqual(await backend(one), first)
    await other?.query('COMMIT')
    await Promise.all(clients.map((client) => client.end()))
  })
})
