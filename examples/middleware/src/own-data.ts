// A layer that gives handlers something.
interface Connection {
  readonly send: (text: string) => void
  readonly close: () => void
}

const pool = {
  connect: async (): Promise<Connection> => ({
    send: (text) => console.log(`sent ${text}`),
    close: () => console.log('closed'),
  }),
}

// #region data
import { around, MemoryStorage, type ProvidingLayer, withData, WorkerBuilder } from '@apalis/core'

/** A connection for each run, closed behind it. */
const connected: ProvidingLayer<{ readonly connection: Connection }> = (inner) =>
  around(inner, async (request) => {
    const connection = await pool.connect()
    try {
      return await inner.call(withData(request, { connection }))
    } finally {
      connection.close()
    }
  })

const letters = new MemoryStorage().queue<string>('letters')

const worker = new WorkerBuilder('post')
  .backend(letters)
  .provide(connected)
  .build((text, { data }) => data.connection.send(text))
// #endregion

const id = await letters.push('Hello')
await worker.runUntil(letters.result(id))

// Output:
// sent Hello
// closed
