// Databases, and roles, that are not set up as PostgreSQL comes.
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { isBackendError, json, WorkerBuilder } from '@apalis/core'
import { Client } from 'pg'
import { PostgresStorage } from '../src/index.ts'
import { freshSchema } from './support/schemas.ts'
import { findPostgres } from './support/server.ts'

const found = findPostgres()
const skip = found.missing
const server = await found.open?.()
const url = server?.url ?? ''
after(() => server?.[Symbol.asyncDispose]())

/** Pushes texts, runs them, and gives back their results and what a first run said that failed. */
async function echoes(way: string, texts: readonly string[]): Promise<readonly string[]> {
  await using storage = await PostgresStorage.connect(way, { schema: freshSchema() })
  const tasks = storage.queue<string, string>('échos', {
    result: json<string>(),
    backoff: () => 0,
  })
  const worker = new WorkerBuilder('w').backend(tasks).build((text, { attempt, task }) => {
    if (attempt === 1) throw new Error(text)
    return `${text} ${JSON.stringify(task.parts.metadata['of'])}`
  })
  const ended = worker.run()
  const ids = await Promise.all(texts.map((text) => tasks.push(text, { metadata: { of: text } })))
  const results = await Promise.all(ids.map((id) => tasks.result(id)))
  worker.stop()
  await ended
  return results
}

for (const encoding of ['LATIN1', 'SQL_ASCII', 'UTF8']) {
  test(`a database in ${encoding}`, { skip }, async () => {
    assert.ok(server !== undefined)
    const way = await server.database(`ENCODING '${encoding}' LOCALE 'C' TEMPLATE template0`)
    const texts = ['é', 'a\'b"c\\d', '\u0001\n']
    assert.deepEqual(
      await echoes(way, texts),
      texts.map((text) => `${text} ${JSON.stringify(text)}`),
    )
    await using storage = await PostgresStorage.connect(way)
    const tasks = storage.queue<string>('mail')
    const [owl, plain] = await Promise.allSettled([tasks.push('🦉'), tasks.push('plain')])
    assert.equal(plain.status, 'fulfilled')
    if (encoding !== 'LATIN1') return assert.equal(owl.status, 'fulfilled')
    // What the database has no letters for is refused, and nothing else is.
    assert.ok(owl.status === 'rejected' && isBackendError(owl.reason))
    assert.deepEqual([owl.reason.transient, owl.reason.applied], [false, 'no'])
  })
}

test('settings of whoever pushes in SQL change nothing', { skip }, async () => {
  const schema = freshSchema()
  await using storage = await PostgresStorage.connect(url, { schema })
  const tasks = storage.queue<unknown>('mail')
  const options = {
    runAt: '2030-01-31T09:08:07.654Z',
    timeout: '98765.4ms',
    unique: { key: 'a\\b', for: '1h' },
    metadata: { a: 'b\\c', n: 1.25 },
  }
  for (const settings of [
    '',
    '-c standard_conforming_strings=off',
    '-c extra_float_digits=-15',
    '-c search_path=nowhere -c datestyle=SQL,DMY -c timezone=Asia/Kathmandu -c intervalstyle=sql_standard',
    '-c bytea_output=escape -c quote_all_identifiers=on',
  ]) {
    const client = new Client({ connectionString: url, options: settings })
    await client.connect()
    await using _ = { [Symbol.asyncDispose]: () => client.end() }
    const call = `SELECT "${schema}".push('mail', $1, $2) AS id`
    const { rows } = await client.query<{ id: string }>(call, ['{"a": "\\\\"}', options])
    const id = rows[0]?.id ?? ''
    const task = await tasks.fetchById(id)
    const { runAt, metadata, timeoutMs } = task?.parts ?? {}
    assert.deepEqual(
      [task?.args, runAt?.toISOString(), metadata, timeoutMs],
      [{ a: '\\' }, options.runAt, options.metadata, 98_765],
      settings,
    )
    assert.match(id, /^[0-9A-HJKMNP-TV-Z]{26}$/)
    await tasks.kill(id)
    await tasks.remove(id)
    const long = { timeout: 'x'.repeat(100) }
    await assert.rejects(client.query(call, ['1', long]), /timeout: .* got "x{59}\.\.\.$/)
  }
})
