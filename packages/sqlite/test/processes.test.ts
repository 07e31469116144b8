import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { sleep, systemClock } from '@apalis/core'
import { SqliteStorage } from '@apalis/sqlite'
import { testFolder } from './support/files.ts'
import { type Program, start } from './support/programs.ts'

const kills = 3
const eachKill = 1_500
const many = kills * eachKill
/** What a worker runs at once: each of these may have begun when it dies. */
const concurrency = 10

test('processes on one file, one killed again and again: all done, and little done twice', async () => {
  using folder = testFolder()
  const path = folder.file()
  await using storage = await SqliteStorage.open(path, { synchronous: 'normal' })
  const tasks = storage.queue<number>('numbers')
  const notes = new DatabaseSync(`${path}.notes`)
  notes.exec('PRAGMA journal_mode = WAL; CREATE TABLE notes (n INTEGER, worker INTEGER)')
  const started = (): number =>
    Number(notes.prepare('SELECT count(*) AS n FROM notes').get()?.['n'])
  const workers: Program[] = []
  const work = async (): Promise<Program> => {
    const program = start('worker.ts', [path])
    workers.push(program)
    await program.printed('working')
    return program
  }
  let victim = (await Promise.all([work(), work(), work()]))[0]
  for (let kill = 0; kill < kills; kill += 1) {
    const before = started()
    await tasks.pushBulk(Array.from({ length: eachKill }, (_, index) => kill * eachKill + index))
    while (started() < before + eachKill / 5) await sleep(systemClock, 2)
    victim?.process.kill('SIGKILL')
    await victim?.ended
    victim = await work()
  }
  for (;;) {
    const { done } = await tasks.metrics()
    if (done === many) break
    await sleep(systemClock, 20)
  }
  for (const { process } of workers) process.kill('SIGTERM')
  for (const worker of workers) await worker.ended
  const output = workers.map((worker) => worker.output).join('')
  assert.doesNotMatch(output, /error/, output)
  const different = notes.prepare('SELECT count(DISTINCT n) AS n FROM notes').get()?.['n']
  assert.equal(different, many)
  const doubles = started() - many
  // A handler that had ended may have had no time to be settled: those few milliseconds come on top.
  assert.ok(doubles <= kills * concurrency * 10, `${doubles} were started twice`)
  notes.close()
})
