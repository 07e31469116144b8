import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { sleep, systemClock, type Worker, WorkerBuilder } from '@apalis/core'
import { PostgresStorage } from '../../src/index.ts'
import { long } from '../support/long.ts'
import { freshSchema } from '../support/schemas.ts'
import { findOwnPostgres } from '../support/server.ts'

/** Two of the default lease's in the long form: a minute. */
const LEASE_MS = long ? 30_000 : 900
const BEATS = long ? 6 : 4

const { open, missing: skip } = findOwnPostgres()
const server = await open?.({ settings: { log_statement: 'all', log_line_prefix: '[%a] ' } })
after(() => server?.[Symbol.asyncDispose]())

test('idle workers make one statement a beat each, and no other', { skip }, async () => {
  assert.ok(server)
  const url = new URL(server.url)
  url.searchParams.set('application_name', 'idle')
  const storage = await PostgresStorage.connect(url, { schema: freshSchema(), lease: LEASE_MS })
  let beats = 0
  const workers = ['a', 'a', 'b'].map((queue) => idle(storage, queue, () => (beats += 1)))
  await Promise.all(workers.map(({ isIdle }) => isIdle))
  const until = async (count: number): Promise<void> => {
    while (beats < count) await sleep(systemClock, 5)
  }
  // The first beats may have found something to do.
  await until(2 * workers.length)
  const mark = async (name: string): Promise<number> => {
    await server.query(`SELECT '${name}'`)
    while (!server.log().includes(`SELECT '${name}'`)) await sleep(systemClock, 5)
    return beats
  }
  const from = await mark('from')
  await until(from + BEATS * workers.length)
  const to = await mark('to')
  const log = server.log()
  const between = log.slice(log.indexOf(`SELECT 'from'`), log.indexOf(`SELECT 'to'`))
  const statements = between.match(/^\[idle\] LOG: {2}(?:execute|statement).*$/gm) ?? []
  assert.deepEqual(
    statements.filter((statement) => !statement.includes('.beat_1(')),
    [],
  )
  // Each worker may have been in the middle of one at either end.
  assert.ok(
    Math.abs(statements.length - (to - from)) <= workers.length,
    `${statements.length} for ${to - from} beats`,
  )
  for (const { worker } of workers) worker.stop()
  await Promise.all(workers.map(({ ended }) => ended))
  await storage.close()
})

/** A worker without tasks. */
function idle(
  storage: PostgresStorage,
  queue: string,
  onBeat: () => void,
): { readonly worker: Worker; readonly isIdle: Promise<void>; readonly ended: Promise<void> } {
  const isIdle = Promise.withResolvers<void>()
  const worker = new WorkerBuilder('idle')
    .backend(storage.queue<number>(queue))
    .onEvent(({ type }) => {
      if (type === 'idle') isIdle.resolve()
      if (type === 'heartbeat') onBeat()
    })
    .build(() => assert.fail('there is nothing to do'))
  return { worker, isIdle: isIdle.promise, ended: worker.run() }
}
