// A file, line by line, into a queue and worked on from there.
import { createReadStream } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { JsonStorage, pipe, WorkerBuilder } from '@apalis/core'

const folder = await mkdtemp(join(tmpdir(), 'pipe-'))
const file = join(folder, 'addresses.txt')
await writeFile(file, 'ada@example.com\ngrace@example.com\nalan@example.com\n')

// #region pipe
const storage = await JsonStorage.open(join(folder, 'tasks.jsonl'))
const mails = storage.queue<string>('mails')

const lines = (): AsyncIterable<string> => createInterface({ input: createReadStream(file) })
const addresses = pipe(lines).to(mails, {
  // After a crash the file is read again from its beginning, and each line is still one task.
  id: (_line, index) => `line-${index}`,
  atEnd: 'stop',
})

const worker = new WorkerBuilder('mailer').backend(addresses).build((address) => {
  console.log(`to ${address}`)
})
await worker.run()
// #endregion
console.log((await mails.metrics()).done)
await storage.close()
await rm(folder, { recursive: true })

// Output:
// to ada@example.com
// to grace@example.com
// to alan@example.com
// 3
