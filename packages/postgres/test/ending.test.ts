import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { json, WorkerBuilder } from '@apalis/core'
import { PostgresStorage } from '../src/index.ts'
import { freshSchema } from './support/schemas.ts'
import { findPostgres } from './support/server.ts'

const found = findPostgres()
const skip = found.missing
const server = await found.open?.()
after(() => server?.[Symbol.asyncDispose]())

/** What a process prints when it has nothing left to do: the connections that it still has, by name. */
function assertLeft(printed: unknown): void {
  assert.ok(typeof printed === 'object' && printed !== null && 'left' in printed)
  assert.ok(Array.isArray(printed.left) && printed.left.length > 0)
  assert.deepEqual(new Set(printed.left), new Set(['apalis']))
}

/** A process that does one thing, in a database where nobody else is. */
async function started(what: 'push' | 'wait' | 'work'): Promise<{
  readonly url: string
  readonly schema: string
  /** What it prints next; undefined: it has ended, with all well. */
  readonly next: () => Promise<unknown>
}> {
  assert.ok(server !== undefined)
  const [url, schema] = [await server.database(), freshSchema()]
  const program = fileURLToPath(import.meta.resolve('./support/ending.ts'))
  const args = ['--conditions=@apalis/source', program, url, schema, what]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const exited = once(child, 'exit')
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
  return {
    url,
    schema,
    async next() {
      const { done, value } = await lines.next()
      if (done !== true) return JSON.parse(value)
      assert.deepEqual(await exited, [0, null])
      return undefined
    },
  }
}

test(
  'a process that has only pushed ends by itself, and waits for no connection',
  { skip },
  async () => {
    const { url, schema, next } = await started('push')
    const id = await next()
    assert.ok(typeof id === 'string')
    assertLeft(await next())
    assert.equal(await next(), undefined)
    const storage = await PostgresStorage.connect(url, { schema })
    assert.equal((await storage.queue<string>('mail').fetchById(id))?.args, 'a')
    await storage.close()
  },
)

test('one that waits for a result stays until it has come', { skip }, async () => {
  const { url, schema, next } = await started('wait')
  assert.ok(typeof (await next()) === 'string')
  const storage = await PostgresStorage.connect(url, { schema })
  const worker = new WorkerBuilder('w')
    .backend(storage.queue<string, string>('mail', { result: json<string>() }))
    .onEvent(({ type }, context) => {
      if (type === 'success') context.stop()
    })
    .build((args) => `${args} from here`)
  await worker.run()
  assert.equal(await next(), 'a from here')
  await storage.close()
})

test('one that works stays until it is stopped, and then ends by itself', { skip }, async () => {
  const { url, schema, next } = await started('work')
  assert.equal(await next(), 'idle')
  const storage = await PostgresStorage.connect(url, { schema })
  const tasks = storage.queue<string, string>('mail', { result: json<string>() })
  assert.equal(await tasks.result(await tasks.push('a')), 'a from elsewhere')
  await storage.close()
  assertLeft(await next())
  assert.equal(await next(), undefined)
})
