// Tasks that are pushed by one storage, and done by another that opens the file later.
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const file = join(mkdtempSync(join(tmpdir(), 'apalis-')), 'app.db')

{
  const storage = await SqliteStorage.open(file)
  await storage.queue<string>('greetings').pushBulk(['Ada', 'Grace'])
  await storage.close()
}

// #region example
import { concurrency, WorkerBuilder } from '@apalis/core'
import { SqliteStorage } from '@apalis/sqlite'

const storage = await SqliteStorage.open(file)
const greetings = storage.queue<string>('greetings')
await greetings.push('Barbara', { delay: '50ms' })

const worker = new WorkerBuilder('greeter')
  .backend(greetings)
  .layer(concurrency(1))
  .onEvent((event, context) => {
    if (event.type === 'success' && event.task.args === 'Barbara') context.stop()
  })
  .build((name) => console.log(`Hello, ${name}!`))

await worker.run()
await storage.close()
// #endregion

// Output:
// Hello, Ada!
// Hello, Grace!
// Hello, Barbara!
