import { equal } from './equal.ts'

declare const text: string
declare const word: 'word'
declare const whatever: unknown
declare const either: string | number

equal<string>()(text)
// @ts-expect-error narrower
equal<string>()(word)
// @ts-expect-error wider
equal<'word'>()(text)
// @ts-expect-error unknown fits nothing but itself
equal<string>()(whatever)
// @ts-expect-error a union is not one of its members
equal<string>()(either)
// @ts-expect-error any is no string
equal<string>()(JSON.parse(text))
