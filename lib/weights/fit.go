package weights

const namesShown = 8
