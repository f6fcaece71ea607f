export const renderMatrixHtml = (..._a: unknown[]): string => "todo";
