import type { Inserted, NewRow } from '../../storage/task-store.ts'
import { type Call, oneLess, seconds, several } from './call.ts'

/** See `TaskStore.insert`. */
export function insertCall(
  queue: string,
  rows: readonly NewRow[],
  refuseExisting: boolean,
): Call<readonly Inserted[]> {
  return {
    text: `push to ${queue}${refuseExisting ? ' only if all are new' : ''}: ${several(rows.map(rowText), '; ')}`,
    changes: queue,
    ask: (store) => store.insert(queue, rows, { refuseExisting }),
    expect: (reference) => reference.insert(queue, rows, refuseExisting),
    breaks({ expected, actual }) {
      const wrong = rows.filter(
        (_, index) =>
          expected[index]?.existing !== actual[index]?.existing ||
          expected[index]?.id !== actual[index]?.id,
      )
      return wrong.some(({ uniqueKey }) => uniqueKey !== undefined) ? 'uniqueness' : 'contract'
    },
    simpler: () =>
      [...oneLess(rows), ...onePlainer(rows)].map((fewer) =>
        insertCall(queue, fewer, refuseExisting),
      ),
    became: (answer) =>
      answer.map(({ id, existing }) => (existing ? `${id} exists` : `${id} stored`)),
  }
}

/** Every way to make one of the rows a plain one. */
function onePlainer(rows: readonly NewRow[]): readonly (readonly NewRow[])[] {
  return rows.flatMap((row, index) => {
    const { id, attempts } = row
    const plain = { id, args: '1', priority: 0, attempts }
    return rowText(row) === id ? [] : [rows.with(index, plain)]
  })
}

function rowText({ id, uniqueKey, uniqueForMs, priority, delayMs, runAt }: NewRow): string {
  const texts = [id]
  if (priority !== 0) texts.push(`priority ${priority}`)
  if (delayMs !== undefined) texts.push(`in ${seconds(delayMs)}`)
  if (runAt !== undefined) texts.push(`at ${new Date(runAt).toISOString()}`)
  if (uniqueKey !== undefined) {
    texts.push(`key ${uniqueKey}${uniqueForMs === undefined ? '' : ` for ${seconds(uniqueForMs)}`}`)
  }
  return texts.join(' ')
}
