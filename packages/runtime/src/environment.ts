/** What a process is configured by: the environment, given as an argument. */
export type Environment = Readonly<Record<string, string | undefined>>;
