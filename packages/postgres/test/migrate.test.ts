import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isBackendError, OptionError } from '@apalis/core'
import { PostgresStorage } from '../src/index.ts'
import { migrate } from '../src/migrate.ts'
import { PoolLink } from '../src/pool-link.ts'
import type { Migration } from '../src/schema.ts'
import { freshSchema } from './support/schemas.ts'
import { openServerPool } from './support/server-pool.ts'

const { skip, server, pool } = await openServerPool()

const steps: readonly Migration[] = [
  {
    version: 1,
    breaks: false,
    sql: 'create table apalis.one (a int); insert into apalis.one values (1);',
  },
  {
    version: 2,
    breaks: false,
    sql: 'alter table apalis.one add column b int; update apalis.one set b = a + 1;',
  },
]
const breaking: Migration = { version: 3, breaks: true, sql: 'drop table apalis.one;' }

function run(schema: string, migrations: readonly Migration[], wanted = true): Promise<void> {
  return migrate({
    link: new PoolLink(pool),
    schema,
    timeoutMs: 9_000,
    migrate: wanted,
    migrations,
  })
}

async function versions(schema: string): Promise<readonly number[]> {
  const { rows } = await pool.query<{ version: number }>(
    `SELECT version FROM "${schema}".migration ORDER BY version`,
  )
  return rows.map(({ version }) => version)
}

async function assertRefused(call: Promise<unknown>, why: RegExp): Promise<void> {
  await assert.rejects(call, (error) => {
    assert.ok(isBackendError(error), String(error))
    assert.deepEqual([error.transient, error.applied], [false, 'no'])
    assert.match(error.message, why)
    return true
  })
}

test('each step is taken once, from any older version, with what is stored', { skip }, async () => {
  const schema = freshSchema()
  await run(schema, steps.slice(0, 1))
  assert.deepEqual(await versions(schema), [1])
  await run(schema, steps)
  await run(schema, steps)
  assert.deepEqual(await versions(schema), [1, 2])
  const { rows } = await pool.query(`SELECT * FROM "${schema}".one`)
  assert.deepEqual(rows, [{ a: 1, b: 2 }])
})

test('ten processes at once take each step once', { skip }, async () => {
  const schema = freshSchema()
  await Promise.all(Array.from({ length: 10 }, () => run(schema, steps)))
  assert.deepEqual(await versions(schema), [1, 2])
  const { rows } = await pool.query(`SELECT * FROM "${schema}".one`)
  assert.deepEqual(rows, [{ a: 1, b: 2 }])
})

test('a step that fails leaves nothing behind, and can be taken again', { skip }, async () => {
  const schema = freshSchema()
  const broken = {
    version: 2,
    breaks: false,
    sql: `${steps[1]?.sql} insert into nowhere values (1);`,
  }
  await assertRefused(run(schema, [...steps.slice(0, 1), broken]), /nowhere/)
  assert.deepEqual(await versions(schema), [1])
  await run(schema, steps)
  assert.deepEqual(await versions(schema), [1, 2])
})

test(
  'an older version works with what a newer one has added, and refuses what breaks it, saying what to do',
  {
    skip,
  },
  async () => {
    const schema = freshSchema()
    await run(schema, steps)
    await run(schema, steps.slice(0, 1))
    await run(schema, [...steps, breaking])
    await assertRefused(
      run(schema, steps),
      /its version 3 cannot be used by this version .* knows versions up to 2; use a newer one/,
    )
    assert.deepEqual(await versions(schema), [1, 2, 3])
  },
)

test(
  'who may not migrate refuses a schema that is missing or too old, saying what to do, and makes nothing',
  {
    skip,
  },
  async () => {
    const schema = freshSchema()
    await assertRefused(
      run(schema, steps, false),
      /it is not there, .* connect once with migrate: true/,
    )
    const { rows } = await pool.query('SELECT to_regnamespace($1) AS made', [schema])
    assert.deepEqual(rows, [{ made: null }])
    await run(schema, steps.slice(0, 1))
    await assertRefused(run(schema, steps, false), /it is version 1, .* needs version 2/)
    await run(schema, steps)
    await run(schema, steps, false)
  },
)

test('what is no version is refused', () => {
  for (const from of [-1, 1.5, Number.NaN]) {
    assert.throws(() => PostgresStorage.migrationSql({ from }), OptionError)
  }
})

test('one role makes the schema by hand, another works in it', { skip }, async () => {
  const schema = freshSchema()
  const role = `worker_${schema}`
  await pool.query(PostgresStorage.migrationSql({ schema }))
  await pool.query(`CREATE ROLE ${role} LOGIN PASSWORD 'secret'`)
  await pool.query(`GRANT USAGE ON SCHEMA "${schema}" TO ${role};
    GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA "${schema}" TO ${role};
    GRANT USAGE ON ALL SEQUENCES IN SCHEMA "${schema}" TO ${role}`)
  const url = new URL(server?.url ?? '')
  url.username = role
  url.password = 'secret'
  const storage = await PostgresStorage.connect(url, { schema, migrate: false })
  const tasks = storage.queue<string>('mail')
  const id = await tasks.push('a')
  assert.equal(await tasks.kill(id), true)
  assert.equal((await tasks.metrics()).killed, 1)
  await storage.close()
  assert.equal(PostgresStorage.migrationSql({ schema, from: 1 }), '')
})

test('a name that would have to be escaped is refused', async () => {
  for (const schema of ['', 'Big', 'a"b', 'a b', '1st', 'x'.repeat(64)]) {
    await assert.rejects(PostgresStorage.connect('postgres://nowhere', { schema }), OptionError)
  }
})

test('a server whose transactions are not read committed is refused', { skip }, async () => {
  const url = new URL(server?.url ?? '')
  url.searchParams.set('options', '-c default_transaction_isolation=serializable')
  await assertRefused(
    PostgresStorage.connect(url, { schema: freshSchema() }),
    /transactions are serializable by default, and have to be read committed/,
  )
})
