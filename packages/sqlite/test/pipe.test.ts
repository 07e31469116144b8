import assert from 'node:assert/strict'
import { createWriteStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { test } from 'node:test'
import { SqliteStorage } from '@apalis/sqlite'
import { testFolder } from './support/files.ts'
import { start } from './support/programs.ts'

const long = process.env['APALIS_LONG'] !== undefined
const many = long ? 1_000_000 : 30_000
const kills = 3

test(`the ${many} lines of a file, led into a queue by a process that is killed ${kills} times: each is done once`, async () => {
  using folder = testFolder()
  const path = folder.file()
  const file = folder.file('lines.txt')
  await pipeline(function* () {
    for (let line = 0; line < many; line += 1) yield `line ${line}\n`
  }, createWriteStream(file))
  for (let kill = 0; kill < kills; kill += 1) {
    const program = start('piper.ts', [path, file])
    await program.printed(`ran ${many / 10}\n`)
    program.process.kill('SIGKILL')
    await program.ended
  }
  const last = start('piper.ts', [path, file])
  assert.equal(await last.ended, 0, last.output)
  await using storage = await SqliteStorage.open(path)
  const { done, ...others } = await storage.queue('lines').metrics()
  assert.deepEqual(
    [done, others.pending, others.failed, others.running, others.killed],
    [many, 0, 0, 0, 0],
  )
  const [, largest = 'nothing'] = /largest (\d+)/.exec(last.output) ?? []
  assert.ok(Number(largest) < 400, `it took ${largest} MiB`)
})
