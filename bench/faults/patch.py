"""JSON Patch (RFC 6902): the operations that fixes use."""
import copy


def steps(path):
    """A JSON Pointer's tokens."""
    return [token.replace('~1', '/').replace('~0', '~') for token in path.split('/')[1:]]


def apply(document, patch):
    """The changed copy of a document; KeyError or IndexError where an operation does not fit it."""
    document = copy.deepcopy(document)
    for operation in patch:
        *way, last = steps(operation['path'])
        parent = document
        for token in way:
            parent = parent[int(token)] if isinstance(parent, list) else parent[token]
        if isinstance(parent, list):
            edit_list(parent, int(last), operation)
        else:
            edit_object(parent, last, operation)
    return document


def edit_list(items, index, operation):
    """One operation on an item of a list."""
    if index > len(items) or (operation['op'] != 'add' and index == len(items)):
        raise IndexError(operation['path'])
    if operation['op'] == 'add':
        items.insert(index, operation['value'])
    elif operation['op'] == 'remove':
        del items[index]
    else:
        items[index] = operation['value']


def edit_object(members, name, operation):
    """One operation on a member of an object."""
    if operation['op'] != 'add' and name not in members:
        raise KeyError(operation['path'])
    if operation['op'] == 'remove':
        del members[name]
    else:
        members[name] = operation['value']
