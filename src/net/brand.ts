/** A value that only its parser can make: raw text or a raw number cannot pose as one. */
export type Brand<T, Name extends string> = T & { readonly __brand: Name };
