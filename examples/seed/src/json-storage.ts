// Tasks in a file that an editor can read.
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'

const folder = await mkdtemp(join(tmpdir(), 'json-'))
// #region open
import { JsonStorage, WorkerBuilder } from '@apalis/core'

const storage = await JsonStorage.open(join(folder, 'tasks.jsonl'), {
  lease: '5s',
  keepFinished: 1_000,
  fsync: true, // what is acknowledged survives a power cut, too
})
const emails = storage.queue<{ readonly to: string }>('emails')
await emails.push({ to: 'ada@example.com' })
// #endregion
const [header, line] = readFileSync(storage.path, 'utf8').split('\n')
console.log(header)
console.log(line?.replace(/.*"args":(.*?)\}\]\}$/, 'args: $1'))
await storage.close()

// Another start of the same program: everything is there.
const again = await JsonStorage.open(storage.path)
const reopened = again.queue<{ readonly to: string }>('emails')
const worker = new WorkerBuilder('mailer').backend(reopened).build(async ({ to }, { worker }) => {
  await setTimeout(1)
  console.log(`to ${to}`)
  worker.stop()
})
await worker.run()
await again.close()
await rm(folder, { recursive: true })

// Output:
// {"apalis":"json-storage","version":1}
// args: {"to":"ada@example.com"}
// to ada@example.com
