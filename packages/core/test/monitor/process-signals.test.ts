import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'

/** What Windows has instead ends the process at once. */
const unix = process.platform !== 'win32'

interface Fixture {
  readonly child: ChildProcess
  /** Settles with the rest of the lines when one was printed. */
  readonly line: (text: string) => Promise<void>
  readonly end: () => Promise<{ code: number | null; lines: string[]; errors: string }>
}

function start(name: string, ...args: string[]): Fixture {
  const script = join(import.meta.dirname, 'fixtures', `${name}.ts`)
  const child = spawn(process.execPath, ['--conditions=@apalis/source', script, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = once(child, 'close')
  const output = createInterface({ input: child.stdout })
  const lines: string[] = []
  let errors = ''
  output.on('line', (text) => lines.push(text))
  child.stderr.on('data', (data: Buffer) => (errors += data.toString()))
  return {
    child,
    async line(text) {
      while (!lines.includes(text)) {
        const over = await Promise.race([once(output, 'line'), ended.then(() => 'ended')])
        assert.notEqual(over, 'ended', `"${text}" was never printed: ${errors}`)
      }
    },
    async end() {
      const [code] = (await ended) as [number | null]
      return { code, lines, errors }
    },
  }
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(
    `${signal} lets the running task end, and the process exits with 0`,
    { skip: !unix },
    async () => {
      const fixture = start('graceful')
      await fixture.line('engaged')
      fixture.child.kill(signal)
      const { code, lines, errors } = await fixture.end()
      assert.equal(errors, '')
      assert.equal(code, 0)
      assert.deepEqual(lines, ['engaged', 'handled', 'done', '0'])
    },
  )
}

test('a handler that never ends is released at the shutdown timeout', { skip: !unix }, async () => {
  const fixture = start('endless', '50ms')
  await fixture.line('engaged')
  fixture.child.kill('SIGTERM')
  const { code, lines, errors } = await fixture.end()
  assert.equal(errors, '')
  assert.equal(code, 0)
  assert.deepEqual(lines, ['engaged', 'stopping', 'SIGTERM', 'interrupted', 'pending 0'])
})

test('a second signal ends the wait', { skip: !unix }, async () => {
  const fixture = start('endless', '10h')
  await fixture.line('engaged')
  fixture.child.kill('SIGTERM')
  await fixture.line('stopping')
  fixture.child.kill('SIGINT')
  const { code, lines, errors } = await fixture.end()
  assert.equal(errors, '')
  assert.equal(code, 0)
  assert.deepEqual(lines, ['engaged', 'stopping', 'SIGTERM', 'interrupted', 'SIGINT', 'pending 0'])
})

test(
  'the first signal after a shutdown that began otherwise ends no wait',
  { skip: !unix },
  async () => {
    const fixture = start('endless', '10h', 'started')
    await fixture.line('stopping')
    fixture.child.kill('SIGTERM')
    await fixture.line('SIGTERM')
    fixture.child.kill('SIGTERM')
    const { code, lines, errors } = await fixture.end()
    assert.equal(errors, '')
    assert.equal(code, 0)
    assert.deepEqual(lines, [
      'engaged',
      'stopping',
      'SIGTERM',
      'interrupted',
      'SIGTERM',
      'pending 0',
    ])
  },
)

test('failures reach whoever runs the monitor, with no signal needed', async () => {
  const { code, errors } = await start('failing').end()
  assert.equal(code, 1)
  assert.match(errors, /MonitorError.*no worker today/)
})
