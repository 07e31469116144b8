// Leads the lines of a file into a queue and works on them, from wherever it was: `node piper.ts PATH LINES`. It stops
// when every line is done, and says how large it became.
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { concurrency, pipe, WorkerBuilder } from '@apalis/core'
import { SqliteStorage } from '@apalis/sqlite'

const [path = '', file = ''] = process.argv.slice(2)
const storage = await SqliteStorage.open(path, { lease: '1s', synchronous: 'normal' })
const lines = storage.queue<string>('lines')
const source = (): AsyncIterable<string> => createInterface({ input: createReadStream(file) })

let largest = 0
let runs = 0
const worker = new WorkerBuilder('worker')
  .backend(pipe(source).to(lines, { id: (_line, index) => `line-${index}`, atEnd: 'stop' }))
  .layer(concurrency(100))
  .onEvent((event) => {
    if (event.type === 'heartbeat') largest = Math.max(largest, process.memoryUsage().rss)
  })
  .build(() => {
    runs += 1
    if (runs % 1_000 === 0) console.log('ran', runs)
  })
await worker.run()
await storage.close()
console.log('largest', Math.round(largest / 2 ** 20))
