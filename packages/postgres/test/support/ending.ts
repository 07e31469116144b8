// Does one thing with a storage of its own, and then has nothing else to do: `node ending.ts URL SCHEMA push|wait|work`.
// Whatever it prints is a line of JSON.
import { json, WorkerBuilder } from '@apalis/core'
import { Client } from 'pg'
import { PostgresStorage } from '../../src/index.ts'

const [url = '', schema = '', what = ''] = process.argv.slice(2)
const storage = await PostgresStorage.connect(url, { schema })
const tasks = storage.queue<string, string>('mail', { result: json<string>() })
const print = (value: unknown): void => console.log(JSON.stringify(value))

/** Prints whose connections there are, its own not counted. */
async function look(): Promise<void> {
  const client = new Client({ connectionString: url, application_name: 'looks' })
  await client.connect()
  const { rows } = await client.query<{ name: string }>(
    `SELECT application_name AS name FROM pg_stat_activity
      WHERE datname = current_database() AND pid <> pg_backend_pid()`,
  )
  print({ left: rows.map(({ name }) => name) })
  await client.end()
}

process.once('beforeExit', () => void look())

switch (what) {
  case 'push':
    print(await tasks.push('a'))
    break
  case 'wait': {
    const id = await tasks.push('a')
    const waits = tasks.result(id)
    print(id)
    print(await waits)
    break
  }
  case 'work': {
    let ran = false
    const worker = new WorkerBuilder('w')
      .backend(tasks)
      .onEvent(({ type }, context) => {
        if (type === 'idle' && !ran) print(type)
        if (type === 'success') context.stop()
      })
      .build((args) => {
        ran = true
        return `${args} from elsewhere`
      })
    await worker.run()
    break
  }
  default:
    throw new Error(`what is ${what}?`)
}
